"""How people look once their features are lent, told from their latents alone.

Whoever is imagined is drawn with features of taught people (`identigen.identity.fine_detail`), and is then somebody a
little different. All that leads there but the choice (and a trace of hue, which is left out) is linear in the latent,
so that dozens of people are told at once, before any is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from identigen.identity.appearance import Codec, brightness, load_codec
from identigen.identity.fine_detail import STAYS, FineDetail, Ints, bands, load_fine_detail
from identigen.models import borrow
from identigen.types import Floats, Window


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """A line in the latent: `slope` `(m, k)` and `start` `(m,)`."""

    slope: Floats
    start: Floats

    def at(self, codes: Floats) -> Floats:
        """Values `(n, m)` of codes `(n, k)`."""
        return np.asarray(codes @ self.slope.T + self.start, np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class Lending:
    """For each feature: what is compared of it (`looks`), and the detail code of its place (`vague`) and of what each
    example puts there, `forms` `(examples, k)`. `parity` `(k,)` mirrors a code.
    """

    fine: FineDetail
    parity: Floats
    looks: Mapping[str, Line]
    vague: Mapping[str, Line]
    forms: Mapping[str, Floats]

    def lent(self, identities: Floats, condition: Floats, brows: Floats | None = None) -> tuple[Floats, Floats]:
        """People `(n, d)` under a `condition` `(c,)` as they will be drawn, with features of three others each.

        And how unlike `(n,)` theirs these features are, all three together. `brows` `(2,)` are what the photo's are
        like.
        """
        k = len(self.parity)
        codes = {False: identities[:, :k], True: identities[:, :k] * self.parity}
        out, used = identities.copy(), list[Ints]()
        unlike = np.zeros(len(out), np.float32)
        for name, looks in self.looks.items():
            views = [looks.at(codes[flip]) for flip in (False, True)]
            index, mirrored, how_unlike = self.fine.lenders(name, views, condition[STAYS], used, brows)
            unlike += how_unlike
            used.append(self.fine.lent[name].people[index])
            for flip in (False, True):
                gain = self.fine.gain(name, views[flip], index)[:, None]
                change = gain * self.forms[name][index] - self.vague[name].at(codes[flip])
                here = np.ones(len(out), np.bool_) if name == "eye" else mirrored == flip
                out[:, :k] += here[:, None] * (change * self.parity if flip else change)
        return out, unlike


def fit_lending(codec: Codec, fine: FineDetail) -> Lending:
    """Look at what each component of the codec draws at each feature."""
    k = len(codec.detail_scale)
    mean = brightness(codec.decode(np.zeros(k, np.float32)))
    columns: dict[str, list[tuple[Floats, Floats, Floats]]] = {name: [] for name in fine.zones}
    for component in codec.components():
        for name, parts in _parts(fine, component).items():
            columns[name].append(parts)
    looks, vague, forms = {}, {}, {}
    for name, at_mean in _parts(fine, mean).items():
        drawn, look, form = (np.stack(part) for part in zip(*columns[name], strict=True))
        # The components are orthonormal on half a map of three channels.
        into_code = 1.5 * (drawn * fine.zones[name][1]).reshape(k, -1) / codec.detail_scale[:, None] ** 2
        looks[name] = Line(np.ascontiguousarray(look.T), at_mean[1])
        vague[name] = Line(np.asarray(into_code @ form.reshape(k, -1).T), into_code @ at_mean[2].ravel())
        forms[name] = np.asarray(fine.lent[name].form.reshape(-1, into_code.shape[1]) @ into_code.T)
    return Lending(fine, codec.detail_parity, looks, vague, forms)


def load_lending() -> Lending:
    """What the shipped examples do to the shipped codec's latents, worked out once."""
    codec = load_codec()
    with borrow("identigen-lending", lambda: fit_lending(codec, load_fine_detail(codec.mesh))) as lending:
        return lending


def _parts(fine: FineDetail, grey: Floats) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Of each feature of a map `(SIDE, SIDE)`: itself, what is compared of it, and what would be taken from it."""
    vague, seen = bands(fine.mesh, grey)

    def part(name: str, window: Window) -> tuple[Floats, Floats, Floats]:
        return grey[window.slices], fine.compared(name, seen[window.slices]), vague[window.slices]

    return {name: part(name, window) for name, (window, _) in fine.zones.items()}
