"""Learn what drawing does to the recogniser's view: new identities are drawn over the training faces and looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from identigen.composite import paste
from identigen.identity.appearance import Codec
from identigen.identity.conditions import VAGUENESS, Conditions
from identigen.identity.fine_detail import FineDetail
from identigen.identity.foretelling import Foretelling, features
from identigen.identity.imagination import KIN
from identigen.identity.lending import fit_lending
from identigen.identity.portrait import read_portrait
from identigen.identity.prior import Velocity, noise, sample
from identigen.landmarks import face_box
from identigen.recognition import default_recogniser
from identigen.synthesis.embedded import sit
from identigen.training.data import Faces
from identigen.types import Bools, Candidate, Face, Floats
from identigen.verification import look_again

RIDGE = 30.0
STIFFNESS = 1e-3  # of the lift: directions that hardly move the embedding are left alone


@dataclass(frozen=True, eq=False)
class Drawn:
    """`n` new faces: `moved` `(n, d)` in the latent, `told` `(n, f)` features, `seen` `(n, 128)` in the embedding.

    `held_out` `(n,)`: drawn over a face that teaches nothing.
    """

    moved: Floats
    told: Floats
    seen: Floats
    held_out: Bools


def draw_faces(
    faces: Faces,
    rows: npt.NDArray[np.intp],
    codec: Codec,
    conditions: Conditions,
    fine: FineDetail,
    prior: Velocity,
    each: int,
    cache: Path,
) -> Drawn:
    """Draw `each` identities of all kinds over every face of `rows` and describe what came out (cached in `cache`)."""
    if not cache.is_file():
        recogniser, lending = default_recogniser(), fit_lending(codec, fine)
        moved, told, seen, held = [], [], [], []
        for count, row in enumerate(rows.tolist()):
            pixels, points = faces.pixels(row), faces.landmarks[row]
            face, embedding = Face(face_box(points), points), faces.embeddings[row]
            portrait = read_portrait(codec, conditions, pixels, points, embedding)
            sitting = sit(codec, conditions, fine, portrait, pixels, portrait.condition)
            own = np.concatenate([portrait.code, portrait.shape_code])
            rng = np.random.default_rng([row, 5])
            people = _imagined(prior, portrait.condition, len(own), row, each, rng)
            for identity in lending.lent(people, portrait.condition, portrait.brows)[0]:
                strength = rng.uniform(0.3, 1.0)
                drawing = sitting.draw(identity, strength)
                candidate = Candidate(0, drawing.window, drawing.pixels, drawing.coverage, identity)
                window, patch, _ = paste(pixels, candidate)
                picture = pixels.copy()
                picture[window.slices] = patch
                again = look_again(picture, face.box)
                if again is not None:
                    moved.append(identity - own)
                    told.append(features(own, portrait.condition, embedding, strength))
                    seen.append(recogniser.describe(picture, [again])[0] - embedding)
                    held.append(bool(faces.held_out[row]))
            if count % 200 == 0:
                print(f"drew over {count} of {len(rows)} faces", flush=True)
        np.savez(cache, moved=np.array(moved), told=np.array(told), seen=np.array(seen), held_out=np.array(held))
    with np.load(cache) as stored:
        return Drawn(stored["moved"], stored["told"], stored["seen"], stored["held_out"])


def fit_foretelling(drawn: Drawn, scatter: Floats) -> tuple[Foretelling, dict[str, float]]:
    """Ridge regression on the faces that teach, and its quality on those held out.

    `scatter` `(d, d)` is how people differ who meet the same condition, see `latents.scatter`: whoever is pushed along
    what differs anyway, and as it goes together, stays somebody who might exist.
    """
    x = np.hstack([drawn.moved, drawn.told]).astype(np.float64)
    learn = ~drawn.held_out
    penalty = RIDGE * np.eye(x.shape[1])
    penalty[-1, -1] = 0  # the constant is free
    weights = np.linalg.solve(x[learn].T @ x[learn] + penalty, x[learn].T @ drawn.seen[learn])
    rest = drawn.seen - x @ weights
    doubt = float(np.sqrt((rest[learn] ** 2).sum(1).mean()))
    unlearnt, told = drawn.seen[~learn], (x @ weights)[~learn]
    spread = ((unlearnt - drawn.seen[learn].mean(0)) ** 2).sum()
    lengths = np.linalg.norm(unlearnt, axis=1), np.linalg.norm(told, axis=1)
    quality = {
        "drawn": len(x),
        "explained": 1 - float((rest[~learn] ** 2).sum() / spread),
        "distance_correlation": float(np.corrcoef(*lengths)[0, 1]),
    }
    latent = drawn.moved.shape[1]
    likeness, drift = (part.T.astype(np.float32) for part in (weights[:latent], weights[latent:]))
    stiff = likeness @ scatter @ likeness.T + STIFFNESS * np.eye(len(likeness))
    lift = np.linalg.solve(stiff, likeness @ scatter).astype(np.float32)
    return Foretelling(likeness, drift, lift, doubt), quality


def _imagined(prior: Velocity, condition: Floats, size: int, row: int, each: int, rng: np.random.Generator) -> Floats:
    """Identities of all kinds: near and far kin, typical and odd, some shaken off the beaten track."""
    told = np.repeat(condition[None], each, axis=0)
    told[:, KIN] *= rng.uniform(0, 1, (each, 1))
    told += VAGUENESS * rng.standard_normal(told.shape)
    start = rng.uniform(0.6, 1.05, (each, 1)) * noise([[row, i, 9] for i in range(each)], size)
    people = sample(prior, start.astype(np.float32), told.astype(np.float32))
    shaken = rng.uniform(0, 0.35, (each, 1)) * rng.integers(0, 2, (each, 1))
    return np.asarray(people + shaken * rng.standard_normal(people.shape), np.float32)
