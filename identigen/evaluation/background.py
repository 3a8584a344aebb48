"""Known answers for background prediction: cut a person's shape out of a scene without people and compare.

Silhouettes are drawn by this file alone, so that the protocol travels with the code: whoever has a folder of scenes
gets the same holes. Everything is measured inside the hole only; over the whole picture the untouched pixels would win.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from identigen.background import BackgroundPredictor, default_predictor
from identigen.errors import InputError
from identigen.types import Bools, Floats, Mask, Pixels, Window

Filler = Callable[[Pixels, Bools], Pixels]
Limb = tuple[float, float, float, float, float, float]

SCENE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
SMALLEST_SHARE, LARGEST_SHARE = 0.05, 0.20
_RING = 12
_PROJECTIONS = 96
_PATCH = 7


@dataclass(frozen=True, slots=True)
class Scores:
    """How near a fill is to the truth inside the hole, and what it cost."""

    psnr: float
    """dB; higher is nearer."""
    ssim: float
    sharpness: float
    """Laplacian energy of the fill over that of the ring around the hole; 1 is as sharp as the surroundings."""
    texture: float
    """Sliced Wasserstein distance between 7x7 patches of fill and truth, mean of three scales; lower is nearer."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture whose truth is known, with the hole that a person would have left."""

    name: str
    truth: Pixels
    hole: Bools


def evaluate_background(
    scenes: Path,
    *,
    limit: int | None = None,
    sheet: Path | None = None,
    seed: int = 0,
    predictor: BackgroundPredictor | None = None,
) -> dict[str, Any]:
    """Fill person-shaped holes in the pictures of a folder by our predictor and by OpenCV's four; print a table.

    `limit` takes only the first pictures by name, `sheet` is a picture file for the fills side by side. Returns
    `{"scenes": n, "methods": {name: {score: mean}}, "bars": {...}}`. Raises `InputError` when there is nothing to
    measure.
    """
    fillers = {"truth": _truth_is_given, **rivals(), "ours": our_filler(predictor or default_predictor(), seed)}
    table: dict[str, list[Scores]] = {name: [] for name in fillers}
    rows: list[Pixels] = []
    _warm_up(fillers["ours"])
    for scene in known_answers(scenes, limit=limit, seed=seed):
        fills = {name: fill_blindly(filler, scene) for name, filler in fillers.items()}
        for name, (fill, seconds) in fills.items():
            table[name].append(score(scene.truth, fill, scene.hole, seconds))
        if sheet is not None:
            rows.append(_row(scene, [fill for fill, _ in fills.values()]))
    means = {name: _mean(scores) for name, scores in table.items()}
    print(format_table(means, len(table["ours"])))
    if sheet is not None:
        save_sheet(sheet, rows, ["hole", *fillers])
    return {"scenes": len(table["ours"]), "methods": {n: asdict(s) for n, s in means.items()}, "bars": bars(means)}


def _warm_up(filler: Filler) -> None:
    """Load what is loaded or compiled once for a whole process, so that the first scene does not pay for it."""
    grain = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[24:40, 24:40] = True
    filler(grain, hole)


def known_answers(folder: Path, *, limit: int | None = None, seed: int = 0) -> Iterator[Scene]:
    """Scenes of a folder in the order of their names, each with its own silhouette, the same for the same seed."""
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SCENE_SUFFIXES) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder} holds no pictures; give a folder of scenes without people.")
    for index, path in enumerate(files[:limit]):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError(f"{path} cannot be read as a picture; remove it from the folder of scenes.")
        truth = np.ascontiguousarray(picture[:, :, ::-1])
        rng = np.random.default_rng([seed, index])
        share = float(rng.uniform(SMALLEST_SHARE, LARGEST_SHARE))
        yield Scene(path.stem, truth, draw_silhouette(truth.shape[0], truth.shape[1], share, rng))


# --- silhouettes ----------------------------------------------------------------------------------------------------


def draw_silhouette(height: int, width: int, share: float, rng: np.random.Generator) -> Bools:
    """A standing person that covers `share` of a `height` x `width` picture, as an `(height, width)` mask.

    The feet stand in the lower quarter; somebody too large for that is cut by the lower border, like a person near the
    camera.
    """
    limbs = _draw_pose(rng)
    ground, across = float(rng.uniform(0.78, 0.98)), float(rng.uniform(0.2, 0.8))
    low, high = 0.02, 8.0
    for _ in range(24):
        scale = (low + high) / 2
        inside = _rasterise(limbs, height, width, scale * height, ground, across)
        low, high = (scale, high) if inside.mean() < share else (low, scale)
    return inside


def _draw_pose(rng: np.random.Generator) -> Floats:
    """Tapered limbs `(n, 6)`: x1, y1, radius1, x2, y2, radius2 for a person of height 1 whose feet stand at y = 0."""
    stout = rng.uniform(0.85, 1.3)
    shoulder, hip = 0.095 * stout, 0.06 * stout
    limbs: list[Limb] = [(0.0, -0.935, 0.052, 0.0, -0.915, 0.046), (0.0, -0.88, 0.028, 0.0, -0.82, 0.032)]
    if rng.random() < 0.5:  # long hair
        limbs.append((0.0, -0.94, 0.062, float(rng.normal(0, 0.01)), rng.uniform(-0.87, -0.78), 0.055))
    limbs.append((-shoulder, -0.79, 0.035, shoulder, -0.79, 0.035))
    limbs += [(side * shoulder * 0.6, -0.77, 0.055 * stout, side * hip, -0.5, 0.06 * stout) for side in (-1, 0, 1)]
    if rng.random() < 0.3:  # a skirt or a coat
        hem = rng.uniform(-0.4, -0.2)
        limbs += [(side * hip, -0.5, 0.06, side * rng.uniform(0.07, 0.12), hem, 0.05) for side in (-1, 0, 1)]
    for side in (-1, 1):
        limbs += _arm(side, shoulder, rng) + _leg(side, hip, rng)
    return np.array(limbs, np.float32)


def _arm(side: int, shoulder: float, rng: np.random.Generator) -> list[Limb]:
    upper, lower = np.radians(rng.uniform(3, 40)), np.radians(rng.uniform(-35, 60))
    x, y = side * shoulder, -0.79
    elbow = x + side * 0.17 * np.sin(upper), y + 0.17 * np.cos(upper)
    wrist = elbow[0] + side * 0.16 * np.sin(lower), elbow[1] + 0.16 * np.cos(lower)
    hand = wrist[0] + side * 0.05 * np.sin(lower), wrist[1] + 0.05 * np.cos(lower)
    return [(x, y, 0.034, *elbow, 0.028), (*elbow, 0.028, *wrist, 0.018), (*wrist, 0.02, *hand, 0.018)]


def _leg(side: int, hip: float, rng: np.random.Generator) -> list[Limb]:
    stride, bend = rng.uniform(-0.02, 0.09), rng.uniform(-0.02, 0.03)
    knee = side * (hip * 0.8 + stride / 2 + bend), -0.27
    ankle = side * (hip * 0.7 + stride), -0.03
    toe = ankle[0] + side * rng.uniform(0.01, 0.06), -0.015
    return [(side * hip * 0.8, -0.5, 0.055, *knee, 0.04), (*knee, 0.04, *ankle, 0.022), (*ankle, 0.022, *toe, 0.015)]


def _rasterise(limbs: Floats, height: int, width: int, size: float, ground: float, across: float) -> Bools:
    """Draw the limbs for a person `size` pixels tall; the head never leaves the picture at the top."""
    feet = max(ground * height, 1.03 * size)
    inside = np.zeros((height, width), bool)
    for x1, y1, r1, x2, y2, r2 in limbs * np.float32(size):
        start = np.array([across * width + x1, feet + y1], np.float32)
        along = np.array([x2 - x1, y2 - y1], np.float32)
        ends, reach = np.stack([start, start + along]), max(r1, r2) + 1
        window = Window.around((*(ends.min(0) - reach), *(ends.max(0) + reach)), height, width)
        y, x = np.mgrid[window.slices].astype(np.float32)
        dx, dy = x - start[0], y - start[1]
        t = np.clip((dx * along[0] + dy * along[1]) / max(float(along @ along), 1e-6), 0.0, 1.0)
        inside[window.slices] |= np.hypot(dx - t * along[0], dy - t * along[1]) <= r1 + t * (r2 - r1)
    return inside


# --- who fills ------------------------------------------------------------------------------------------------------


def rivals() -> dict[str, Filler]:
    """OpenCV's four; shift-map and FSR only where the contrib modules are really installed."""
    found: dict[str, Filler] = {
        "telea": lambda pixels, hole: _opencv(pixels, hole, cv2.INPAINT_TELEA),
        "ns": lambda pixels, hole: _opencv(pixels, hole, cv2.INPAINT_NS),
    }
    if hasattr(cv2, "xphoto"):
        found["shift-map"] = lambda pixels, hole: _xphoto(pixels, hole, cv2.xphoto.INPAINT_SHIFTMAP)
        found["fsr"] = lambda pixels, hole: _xphoto(pixels, hole, cv2.xphoto.INPAINT_FSR_FAST)
    return found


def _opencv(pixels: Pixels, hole: Bools, method: int) -> Pixels:
    return np.asarray(cv2.inpaint(pixels, hole.astype(np.uint8), 3, method), np.uint8)


def _xphoto(pixels: Pixels, hole: Bools, method: int) -> Pixels:
    filled = pixels.copy()
    filled[hole] = 0
    out = np.zeros_like(pixels)
    # xphoto fills where the mask is zero, the opposite of cv2.inpaint.
    cv2.xphoto.inpaint(filled, np.where(hole, 0, 255).astype(np.uint8), out, method)
    return out


def _truth_is_given(pixels: Pixels, hole: Bools) -> Pixels:
    return pixels


def our_filler(predictor: BackgroundPredictor, seed: int) -> Filler:
    """A predictor of ours in the form of the rivals."""

    def fill(pixels: Pixels, hole: Bools) -> Pixels:
        filled = predictor.predict(pixels, Mask.from_array(hole), None, seed)
        out = pixels.copy()
        out[filled.window.slices] = filled.pixels
        return out

    return fill


def fill_blindly(filler: Filler, scene: Scene) -> tuple[Pixels, float]:
    """The scene with its hole filled by somebody who does not see the truth, and the seconds that took."""
    # Whoever fills must not see the answer; only the "truth" row may, which shows what a perfect fill would score.
    shown = scene.truth.copy()
    if filler is not _truth_is_given:
        shown[scene.hole] = 0
    start = time.perf_counter()
    fill = filler(shown, scene.hole)
    seconds = time.perf_counter() - start
    return np.where(scene.hole[:, :, None], fill, scene.truth), seconds


# --- scores ---------------------------------------------------------------------------------------------------------


def score(truth: Pixels, fill: Pixels, hole: Bools, seconds: float = 0.0) -> Scores:
    """Compare `fill` with `truth`, both `(H, W, 3) uint8`, inside the `(H, W)` hole."""
    return Scores(
        psnr(truth, fill, hole),
        ssim(truth, fill, hole),
        sharpness(fill, hole),
        texture_distance(truth, fill, hole),
        seconds,
    )


def psnr(truth: Pixels, fill: Pixels, hole: Bools) -> float:
    """Peak signal-to-noise ratio inside the hole in dB, at most 60 (a perfect fill)."""
    error = np.mean((truth[hole].astype(np.float64) - fill[hole]) ** 2)
    return float(min(60.0, 10 * np.log10(255.0**2 / max(error, 1e-9))))


def ssim(truth: Pixels, fill: Pixels, hole: Bools) -> float:
    """Structural similarity (Wang 2004, 7x7 windows) of the colour pictures, averaged over the pixels of the hole."""
    from skimage.metrics import structural_similarity

    _, similar = structural_similarity(truth, fill, channel_axis=2, full=True, data_range=255)
    return float(np.mean(similar[hole]))


def sharpness(fill: Pixels, hole: Bools) -> float:
    """Mean absolute Laplacian inside the hole over that in a ring of 12 pixels around it."""
    inner, outer = laplacian_energies(fill, hole, np.zeros_like(hole), _RING)
    return inner / max(outer, 1e-3)


def laplacian_energies(pixels: Pixels, hole: Bools, left_out: Bools, width: int) -> tuple[float, float]:
    """Mean absolute Laplacian, in grey levels, in the hole and in the ring `width` pixels wide around it.

    `left_out` does not count as ring; where nothing of it remains the second figure is 0.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    grown = cv2.dilate(hole.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)) > 0
    ring = grown & ~hole & ~left_out
    return float(energy[hole].mean()), float(energy[ring].mean()) if ring.any() else 0.0


def texture_distance(truth: Pixels, fill: Pixels, hole: Bools) -> float:
    """Sliced Wasserstein distance (Rabin 2011) between 7x7 patches in the hole, mean of scales 1, 1/2, 1/4."""
    a, b, inside = truth.astype(np.float32), fill.astype(np.float32), hole.astype(np.float32)
    distances = []
    for _ in range(3):
        centres = inside > 0.5
        if centres.any() and min(a.shape[:2]) >= _PATCH:
            distances.append(_sliced_wasserstein(_patches(a, centres), _patches(b, centres)))
        half = (max(1, a.shape[1] // 2), max(1, a.shape[0] // 2))
        a, b, inside = _shrunk(a, half), _shrunk(b, half), _shrunk(inside, half)
    return float(np.mean(distances)) if distances else 0.0


def _shrunk(picture: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _patches(picture: Floats, centres: Bools) -> Floats:
    """The 7x7 patches around `centres` as `(n, 147) float32`; the border of the picture is mirrored."""
    r = _PATCH // 2
    padded = cv2.copyMakeBorder(picture, r, r, r, r, cv2.BORDER_REFLECT_101)
    views = np.lib.stride_tricks.sliding_window_view(padded, (_PATCH, _PATCH), axis=(0, 1))  # type: ignore[call-overload]
    return np.asarray(views[centres].reshape(int(centres.sum()), -1), np.float32)


def _sliced_wasserstein(a: Floats, b: Floats) -> float:
    directions = np.random.default_rng(0).normal(size=(a.shape[1], _PROJECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.mean(np.abs(np.sort(a @ directions, 0) - np.sort(b @ directions, 0))))


def _mean(scores: Sequence[Scores]) -> Scores:
    return Scores(*(float(np.mean([getattr(s, f.name) for s in scores])) for f in fields(Scores)))


# --- telling people -------------------------------------------------------------------------------------------------


def bars(means: Mapping[str, Scores]) -> dict[str, bool]:
    """Which of the promises hold; those against a rival that is not installed are left out."""
    ours = means["ours"]
    others = [means[name] for name in ("telea", "ns", "shift-map", "fsr") if name in means]
    held = {
        "sharpness 0.8-1.25": 0.8 <= ours.sharpness <= 1.25,
        "texture nearer than every rival's": all(ours.texture < other.texture for other in others),
    }
    if shift := means.get("shift-map"):
        held["psnr > shift-map + 0.8 dB"] = ours.psnr > shift.psnr + 0.8
        held["ssim > shift-map + 0.05"] = ours.ssim > shift.ssim + 0.05
        held["10 times faster than shift-map"] = ours.seconds * 10 <= shift.seconds
    return held


def format_table(means: Mapping[str, Scores], count: int) -> str:
    """The mean scores as text, one row for each method."""
    lines = [f"{'method':<10} {'PSNR dB':>8} {'SSIM':>6} {'sharp':>6} {'texture':>8} {'seconds':>8}   ({count} scenes)"]
    for name, s in means.items():
        lines.append(
            f"{name:<10} {s.psnr:>8.2f} {s.ssim:>6.3f} {s.sharpness:>6.2f} {s.texture:>8.3f} {s.seconds:>8.3f}"
        )
    return "\n".join(lines + [f"{'held' if ok else 'MISSED':<7} {bar}" for bar, ok in bars(means).items()])


def _row(scene: Scene, fills: Sequence[Pixels]) -> Pixels:
    """Hole and fills side by side, every picture 240 pixels high."""
    cut = scene.truth.copy()
    cut[scene.hole] = (255, 0, 255)
    size = (round(240 * cut.shape[1] / cut.shape[0]), 240)
    return np.hstack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (cut, *fills)])


def save_sheet(path: Path, rows: Sequence[Pixels], names: Sequence[str]) -> None:
    """Write rows of pictures below each other, with a line that names their parts."""
    width = max(row.shape[1] for row in rows)
    padded = [
        cv2.copyMakeBorder(row, 2, 2, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for row in rows
    ]
    head = np.full((24, width, 3), 255, np.uint8)
    cv2.putText(head, " | ".join(names), (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    done, data = cv2.imencode(path.suffix or ".png", np.vstack([head, *padded])[:, :, ::-1])
    if not done:
        raise InputError(f"{path} is not a name that a picture can be saved under; end it in .png or .jpg.")
    path.write_bytes(data.tobytes())
