import numpy as np
import torch

from identigen.identity.conditions import NAMES, PARITY, load_conditions
from identigen.identity.prior import Velocity, load_prior, noise, sample


def test_a_seed_names_one_noise_whatever_stands_beside_it():
    assert (noise([5, 7], 40)[1] == noise([7], 40)[0]).all()
    assert (noise([5], 40) != noise([6], 40)).any()


def test_sampling_repeats_to_the_last_bit():
    network = load_prior()
    start, told = noise([1, 2, 3], network.enter.in_features), np.zeros(len(NAMES), np.float32)
    assert (sample(network, start, told) == sample(network, start, told)).all()


def test_a_sample_is_about_as_varied_as_faces_are():
    network = load_prior()
    faces = sample(network, noise(range(24), network.enter.in_features), np.zeros(len(NAMES), np.float32))
    assert 0.3 < faces.std() < 1.5
    assert np.linalg.norm(faces[0] - faces[1]) > 3


def test_the_condition_is_obeyed():
    network, index = load_prior(), {name: i for i, name in enumerate(NAMES)}
    start = noise(range(16), network.enter.in_features)
    young, old = np.zeros(len(NAMES), np.float32), np.zeros(len(NAMES), np.float32)
    young[index["age"]], old[index["age"]] = -1.5, 1.5
    apart = sample(network, start, old) - sample(network, start, young)
    expected = load_conditions().middle[index["age"]]
    assert ((apart @ expected) > 0).mean() > 0.9


def test_steering_moves_where_a_face_arrives():
    network = load_prior()
    start, told = noise(range(4), network.enter.in_features), np.zeros(len(NAMES), np.float32)
    pull = np.zeros(network.enter.in_features, np.float32)
    pull[0] = 1.0
    free = sample(network, start, told)
    steered = sample(network, start, told, steer=lambda heading: np.repeat(pull[None], len(heading), 0))
    assert (steered[:, 0] > free[:, 0] + 0.3).all()


def test_who_is_not_chosen_is_dropped_and_the_others_arrive_as_ever():
    network = load_prior()
    start, told = noise(range(6), network.enter.in_features), noise(range(10, 16), len(NAMES))
    headings = []

    def choose(heading, look):
        headings.append((look, len(heading)))
        return np.array([[4, 1, 3], [2, 0]][look])

    chosen = sample(network, start, told, choose=choose)
    assert headings == [(0, 6), (1, 3)]
    assert np.allclose(chosen, sample(network, start, told)[[3, 4]], atol=1e-4)


def test_a_fresh_network_has_the_right_shapes_and_learns_from_both_halves():
    network = Velocity(latent=6, conditions=3, width=16, depth=2)
    out = network(torch.zeros(5, 6), torch.rand(5), torch.zeros(5, 3), torch.ones(5, 1))
    assert out.shape == (5, 6)
    assert set(PARITY.tolist()) == {1.0, -1.0}
