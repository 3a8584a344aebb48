"""Words for a face, with CLIP's real classes at tiny size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import cache

from identigen.errors import ModelCorrupt, ModelMissing
from identigen.models import borrow
from identigen.models.weights import locate
from identigen.recognition import clip
from identigen.settings import Settings
from identigen.synthesis.prompt import WORDS, describe, words_for
from identigen.types import Operation, Photo

BOX = (170.0, 60.0, 280.0, 190.0)


@pytest.fixture(scope="module")
def with_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with cache(tmp_path_factory.mktemp("clip"), "clip") as settings:
        yield settings


def test_every_answer_is_a_word_that_the_prompt_knows(with_weights: Settings, astronaut: Photo) -> None:
    for key, answers in clip.QUESTIONS.items():
        assert set(answers) <= set(WORDS[key])
    words = clip.read_words(astronaut.pixels, BOX, with_weights)
    assert describe(Operation.FACE, words_for(None, words))


def test_picture_and_sentences_are_compared(with_weights: Settings, astronaut: Photo) -> None:
    folder = locate(clip.NAME, with_weights)
    black = np.zeros((224, 224, 3), np.uint8)
    sentences = ("a bald person", "grey hair", "glasses")
    with borrow(f"clip:{folder}", lambda: clip._Reader.load(folder, "cpu")) as reader:
        dark, bright = reader.weigh(black, sentences), reader.weigh(255 - black, sentences)
        turned = reader.weigh(black, sentences[::-1])
    assert dark.shape == (3,)
    assert abs(float(dark.sum()) - 1.0) < 1e-5
    assert np.abs(dark - bright).max() > 1e-3
    assert np.allclose(dark, turned[::-1], atol=1e-5)


def test_only_what_is_sure_is_said(with_weights: Settings, astronaut: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def weigh(self: object, view: object, sentences: tuple[str, ...]) -> np.ndarray:  # type: ignore[type-arg]
        shares = np.full(len(sentences), 1.0 / len(sentences), np.float32)
        if len(sentences) == 2:
            shares[:] = (0.1, 0.9)
        return shares

    monkeypatch.setattr(clip._Reader, "weigh", weigh)
    assert clip.read_words(astronaut.pixels, BOX, with_weights) == {"glasses": "some"}


def test_it_needs_its_weights(tmp_path: Path, astronaut: Photo, with_weights: Settings) -> None:
    assert clip.is_available(with_weights)
    nowhere = Settings(cache_dir=str(tmp_path))
    assert not clip.is_available(nowhere)
    with pytest.raises(ModelMissing, match="models pull clip"):
        clip.read_words(astronaut.pixels, BOX, nowhere)
    with pytest.raises(ModelCorrupt, match="models pull clip"):
        clip._Reader.load(tmp_path, "cpu")
