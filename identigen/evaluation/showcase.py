"""Pictures for the README, made by the product itself: people who do not exist.

python -m identigen.evaluation.showcase assets/models/people.webp
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from identigen.identity.appearance import Codec, from_detail, load_codec
from identigen.identity.conditions import load_conditions
from identigen.identity.fine_detail import STAYS, load_fine_detail
from identigen.identity.imagination import usual_identity, within_reason
from identigen.identity.mesh import POINTS, SIDE, remap
from identigen.identity.prior import load_prior, noise, sample
from identigen.photo import encode, write_atomically
from identigen.synthesis.retouching import calmed
from identigen.types import Floats, Pixels, Window

TILE = 240
PAPER = 244.0
CALM = 0.65  # of the noise: on paper, without a photo's hair and light, the plainer people look best
# Apparent age, gender presentation (-1 masculine, 1 feminine), beard, skin colour.
PEOPLE = (
    (26, 1.0, 0, (232, 196, 176)),
    (31, -1.0, 2, (204, 160, 132)),
    (63, 1.0, 0, (226, 188, 168)),
    (24, -1.0, 0, (142, 98, 74)),
    (48, 1.0, 0, (176, 128, 100)),
    (70, -1.0, 1, (224, 184, 164)),
    (34, 1.0, 0, (120, 82, 62)),
    (45, -1.0, 0, (228, 190, 168)),
    (29, 1.0, 0, (214, 172, 144)),
    (57, -1.0, 1, (160, 114, 88)),
    (22, -1.0, 0, (230, 194, 172)),
    (38, 1.0, 0, (196, 150, 122)),
)


def people(seed: int = 11) -> Pixels:
    """A sheet of sampled identities, two rows, `(2 * TILE, 6 * TILE, 3)`."""
    codec, conditions = load_codec(), load_conditions()
    fine = load_fine_detail(codec.mesh)
    k = len(codec.detail_scale)
    raw = np.tile(conditions.mean, (len(PEOPLE), 1))
    for row, (age, feminine, beard, _) in zip(raw, PEOPLE, strict=True):
        for name, value in (("age", age**0.5), ("femininity", feminine), ("beard", beard)):
            row[conditions.index[name]] = value
    told = np.stack([conditions.whiten(row) for row in raw])
    start = CALM * noise([[seed, i] for i in range(len(PEOPLE))], codec_size(codec))
    codes = sample(load_prior(), start, told)
    tiles = []
    for drawn, condition, (*_, skin) in zip(codes, told, PEOPLE, strict=True):
        average = usual_identity(conditions, condition)
        code = within_reason(codec, conditions, drawn[None], condition)[0]
        usual = codec.decode(average[:k])
        detail = fine.added(calmed(codec, codec.decode(code[:k]), usual), condition[STAYS])
        tiles.append(portrait(codec, detail, code[k:], skin))
    half = len(tiles) // 2
    return np.vstack([np.hstack(tiles[:half]), np.hstack(tiles[half:])])


def codec_size(codec: Codec) -> int:
    """Length of a latent: detail, then shape."""
    return len(codec.detail_scale) + len(codec.shape_scale)


def portrait(codec: Codec, detail: Floats, shape: Floats, skin: tuple[int, int, int]) -> Pixels:
    """A face seen from the front under one soft lamp, on paper."""
    points = (codec.shape_mean + codec.decode_shape(shape)) * (0.27 * TILE) + [TILE / 2, TILE / 2, 0]
    place, on_face = codec.mesh.locate(points[:POINTS].astype(np.float32), Window(0, 0, TILE, TILE))
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    lamp = 1.06 - 0.28 * (x * x + 0.5 * y * y) - 0.1 * x
    light = (np.array(skin, np.float32) * lamp[..., None]).astype(np.float32)
    drawn = remap(from_detail(detail, light), place)
    edge = cv2.GaussianBlur(cv2.erode(on_face.astype(np.float32), np.ones((3, 3))), (0, 0), 1.2)[..., None]
    tile: Pixels = np.clip(drawn * edge + PAPER * (1 - edge), 0, 255).astype(np.uint8)
    return tile


def main() -> None:
    """Write the sheet to the path that is given."""
    write_atomically(Path(sys.argv[1]), encode(people(), "webp", 90))


if __name__ == "__main__":
    main()
