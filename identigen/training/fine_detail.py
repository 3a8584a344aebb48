"""Collect taught features that lend new faces their form; see `identigen.identity.fine_detail`."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from identigen.identity.appearance import Codec, brightness
from identigen.identity.conditions import NAMES
from identigen.identity.fine_detail import (
    FEATURES,
    FINEST,
    STAYS,
    STEP,
    FineDetail,
    Lent,
    around_openings,
    feature_zones,
    form_of,
    look,
)
from identigen.training.codec import Maps
from identigen.training.latents import Latents
from identigen.types import Floats

EXAMPLES = 660
IN_VIEW = 0.97  # least share of a feature that is seen
CRISP = (0.22, 0.97)  # quantiles of its finest detail: below it is out of focus, above it is noise
EXPLAINED, FAMILIAR, EVEN = 0.9, 0.8, 0.7  # quantiles: beyond are cast shadows, strands of hair, frames and scars
WHOLE = 0.8  # quantile: beyond are brows of which a part is missing, and as dark as another's it would be half a brow
BROW_PARTS, BROW_HAIR = 4, 1.5  # of a brow's length that are compared; pixels of the map, broader than single hairs
BEARD = [NAMES[i] for i in STAYS].index("beard")
UNFIT = Path(__file__).with_name("unfit.csv")
BLOT, FAINT = 3.0, 0.05  # pixels of the map, and the look that is hardly one
SHAVEN, BEARDED = 0.0, 0.8  # readings of a beard: surely none, and surely one


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """One feature of one face, with what tells whether it may be lent; see `_sound`."""

    row: int
    name: str
    form: Floats
    look: Floats
    in_view: float
    crisp: float
    misfit: float
    oddest: float
    uneven: float
    broken: float


def fit_fine_detail(
    codec: Codec,
    maps: Maps,
    latents: Latents,
    files: Sequence[str] = (),
    unfit: Set[tuple[str, str]] = frozenset(),
    examples: int = EXAMPLES,
) -> FineDetail:
    """Examples of each feature from the faces of `latents`: crisp, wholly in view, and spread evenly over the list.

    None of those that were found `unfit` (see `read_unfit`) by the name that `files` gives each row of the maps.
    """
    found, shut = defaultdict[str, list[_Found]](list), around_openings(codec.mesh)
    zones = {
        name: (window, weight * shut[window.slices]) for name, (window, weight) in feature_zones(codec.mesh).items()
    }
    brow = np.ascontiguousarray(codec.mesh.brows[zones["eye"][0].slices])
    k = len(codec.detail_scale)
    for row, code in zip(latents.rows.tolist(), latents.codes[:, :k], strict=True):
        detail, seen = maps.detail[row].astype(np.float32), maps.seen[row].astype(np.float32)
        grey, expected = brightness(detail), brightness(codec.decode(code))
        forms = [form_of(codec.mesh, picture, seen) for picture in (grey, expected)]
        parts = (*forms, look(grey), look(expected), seen)
        for name, (window, weight) in zones.items():
            for side, whose in ((1, "right eye"), (-1, "left eye")) if name == "eye" else ((1, name),):
                cut = [np.ascontiguousarray(part[:, ::side][window.slices]) for part in parts]
                found[name].append(_found(row, whose, weight, brow if name == "eye" else None, *cut))
    kinds = dict(zip(latents.rows.tolist(), latents.conditions[:, STAYS], strict=True))
    lent = {}
    for name in FEATURES:
        fit = [
            one for one in _sound(found[name], name == "eye") if not files or (files[one.row], one.name) not in unfit
        ]
        spread = np.linspace(0, len(fit) - 1, min(examples, len(fit)))
        chosen = _lent([fit[i] for i in np.unique(spread.astype(int))], kinds)
        lent[name] = without_beard(chosen, codec.mesh.beard_zone[zones[name][0].slices])
    return FineDetail(codec.mesh, lent)


def without_beard(lent: Lent, zone: Floats) -> Lent:
    """Examples whose lenders' beards are left behind in its `zone` `(h, w)`: on whoever has none they are dirt."""
    hairy = np.interp(lent.kinds[:, BEARD], (SHAVEN, BEARDED), (0, 1)).astype(np.float32)
    return replace(lent, form=lent.form * (1 - hairy[:, None, None] * zone))


def read_unfit(path: Path = UNFIT) -> frozenset[tuple[str, str]]:
    """File and feature of what was looked at and is not lent: spectacles, strands of hair, shut eyes, hard shadows."""
    with path.open(newline="") as stream:
        return frozenset((row["file"], row["feature"]) for row in csv.DictReader(stream))


def save_fine_detail(detail: FineDetail, path: Path) -> None:
    """Write 8 bits a value and one step an example."""
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, lent in detail.lent.items():
        for part, values in (("form", lent.form), ("looks", lent.looks)):
            flat = values.reshape(len(values), -1)
            step = np.maximum(np.abs(flat).max(1), 1e-6) / 127
            arrays[f"{name}_{part}"] = np.round(flat / step[:, None]).astype(np.int8).reshape(values.shape)
            arrays[f"{name}_{part}_step"] = step.astype(np.float32)
        arrays[f"{name}_kinds"] = lent.kinds.astype(np.float16)
        arrays[f"{name}_people"] = lent.people.astype(np.int16)
    save_file(arrays, path)


def _found(
    row: int,
    name: str,
    weight: Floats,
    brow: Floats | None,
    form: Floats,
    expected: Floats,
    real_look: Floats,
    expected_look: Floats,
    seen: Floats,
) -> _Found:
    def energy(picture: Floats) -> float:
        return float((weight * picture**2).sum() / weight.sum())

    usual = energy(expected_look) + 1e-9
    blots = np.abs(cv2.GaussianBlur(form - expected, (0, 0), BLOT)) * weight
    return _Found(
        row=row,
        name=name,
        form=form,
        look=np.ascontiguousarray(expected_look[::STEP, ::STEP]).ravel(),
        in_view=float((weight * seen).sum() / weight.sum()),
        crisp=energy(form - cv2.GaussianBlur(form, (0, 0), FINEST)) / usual,
        misfit=energy(real_look - expected_look) / usual,
        oddest=float(blots.max()) / (FAINT + float(np.sqrt(usual))),
        uneven=energy(form - form[:, ::-1]) / max(energy(form), 1e-9),
        broken=0.0 if brow is None else _missing(form, brow),
    )


def _missing(form: Floats, brow: Floats) -> float:
    """How much less dark the weakest part of a `brow`'s length is than the strongest; 1 where nothing is of it."""
    dark = np.maximum(-cv2.GaussianBlur(form, (0, 0), BROW_HAIR), 0) * brow
    columns = np.flatnonzero((brow > 0.5).any(0))
    parts = [float(dark[:, part].max(0).mean()) for part in np.array_split(columns, BROW_PARTS)]
    return 1 - min(parts) / max(*parts, 1e-6)


def _lent(chosen: list[_Found], kinds: Mapping[int, Floats]) -> Lent:
    return Lent(
        form=np.array([one.form for one in chosen]),
        looks=np.array([one.look for one in chosen]),
        kinds=np.array([kinds[one.row] for one in chosen]),
        people=np.array([one.row for one in chosen], np.int32),
    )


def _sound(found: list[_Found], lopsided: bool) -> list[_Found]:
    """What is in view, in focus, explained by the model, whole, without blots and, unless it is `lopsided`, even."""
    rest = [one for one in found if one.in_view > IN_VIEW]
    own = ("broken", WHOLE) if lopsided else ("uneven", EVEN)
    for trait, most in (("misfit", EXPLAINED), ("oddest", FAMILIAR), own):
        limit = np.quantile([getattr(one, trait) for one in rest], most)
        rest = [one for one in rest if getattr(one, trait) <= limit]
    low, high = np.quantile([one.crisp for one in rest], CRISP)
    return [one for one in rest if low <= one.crisp <= high]
