"""Words for a face by CLIP (Radford et al. 2021), zero-shot: hair, beard, glasses, expression.

Only what is worth keeping in a new face is asked, and only words of a short list come out; who it is is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from identigen.crop import square_around
from identigen.models import borrow, record_of
from identigen.models.devices import choose_device, enough_memory_for
from identigen.models.loading import read
from identigen.models.weights import is_present, locate
from identigen.settings import Settings
from identigen.types import Box, Floats, Pixels

NAME = "clip"
CONTEXT = 1.8
SURE = 0.6
"""Below this probability nothing is said: a wrong word changes the new face more than a missing one."""

QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "hair": {
        **{name: f"a photo of a person with {name} hair" for name in ("black", "brown", "blond", "red", "grey")},
        "none": "a photo of a bald person",
    },
    "beard": {
        "none": "a photo of a clean-shaven face",
        "some": "a photo of a face with stubble",
        "full": "a photo of a face with a full beard",
    },
    "glasses": {"none": "a photo of a face without glasses", "some": "a photo of a face with glasses"},
    "expression": {
        "neutral": "a photo of a face with a neutral expression",
        "smiling": "a photo of a smiling face",
        "laughing": "a photo of a laughing face with an open mouth",
        "serious": "a photo of a serious face",
    },
}
"""For each attribute its answers, as `Edit.attributes` names them, and the sentence that stands for each."""


def is_available(settings: Settings) -> bool:
    """Whether the weights are on this machine."""
    return is_present(NAME, settings)


def read_words(pixels: Pixels, box: Box, settings: Settings) -> dict[str, str]:
    """What can be said for sure about the face in `box`: attribute -> answer.

    Raises the family of `ModelError` when the weights cannot be used, `OutOfMemory` when the device is too small.
    """
    folder = locate(NAME, settings)
    view = square_around(box, CONTEXT, record_of(NAME).side).extract(pixels)
    device = choose_device(settings.device)
    with enough_memory_for(NAME, device), borrow(f"clip:{folder}", lambda: _Reader.load(folder, device)) as reader:
        answers = {key: reader.weigh(view, tuple(texts.values())) for key, texts in QUESTIONS.items()}
    return {key: tuple(QUESTIONS[key])[int(shares.argmax())] for key, shares in answers.items() if shares.max() >= SURE}


class _Reader:
    """The model, and the vectors of the sentences it was already asked."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any) -> None:
        self.model, self.tokenizer, self.processor = model, tokenizer, processor
        self.sentences: dict[tuple[str, ...], Any] = {}

    @classmethod
    def load(cls, folder: Path, device: str) -> _Reader:
        import transformers

        kinds = transformers.CLIPModel, transformers.CLIPTokenizer, transformers.CLIPImageProcessor
        model, tokenizer, processor = (read(kind, NAME, folder) for kind in kinds)
        return cls(model.eval().to(device), tokenizer, processor)

    def weigh(self, view: Pixels, sentences: tuple[str, ...]) -> Floats:
        """Probability of each sentence for a square picture, `(n,)`."""
        import torch

        device = self.model.device
        with torch.inference_mode():
            if sentences not in self.sentences:
                tokens = self.tokenizer(list(sentences), padding=True, return_tensors="pt").to(device)
                self.sentences[sentences] = _unit(self.model.get_text_features(**tokens))
            inputs = self.processor(images=np.array(view), return_tensors="pt").to(device)
            picture = _unit(self.model.get_image_features(**inputs))
            likeness = self.model.logit_scale.exp() * self.sentences[sentences] @ picture[0]
            return np.asarray(likeness.softmax(0).float().cpu().numpy(), np.float32)


def _unit(features: Any) -> Any:
    vectors = getattr(features, "pooler_output", features)  # newer versions of transformers wrap the vectors
    return vectors / vectors.norm(dim=-1, keepdim=True)
