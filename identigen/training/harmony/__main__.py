"""Train the harmoniser: `python -m identigen.training.harmony FACES_DIR OUT_DIR` (a GPU saves hours).

Pairs are drawn first (ten minutes on two cores); `--draw` ends there. Training needs only torch and OpenCV, so that
the pairs can be carried to a machine that has nothing else; it goes on from its checkpoint. Both lie in the folder
`work` of `OUT_DIR`. `OUT_DIR` itself gets the weights and a sheet of held-out faces: truth, drawn back, mended,
somebody else, mended.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from identigen.training.command import exit_code_of

EACH = 2
SHOWN = 24


def main(arguments: list[str] | None = None) -> int:
    """Draw the pairs, train or go on training, write everything; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m identigen.training.harmony", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("faces", type=Path, help="folder of training faces with index.csv")
    parser.add_argument("out", type=Path, help="folder for weights, figures and the checkpoint")
    parser.add_argument("--draw", action="store_true", help="only draw the pairs")
    parser.add_argument("--processes", type=int, default=2, help="that draw pairs")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--minutes", type=float, help="end the training within this time")
    parser.add_argument("--batch", type=int, default=32, help="faces in a step, at least 3")
    parser.add_argument("--adversary", type=float, default=1.0, help="weight of the critic; 0 leaves it out")
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate")
    parser.add_argument("--start", type=Path, metavar="FILE", help="begin from exported weights, without a checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu or cuda; left out: cuda where there is one")
    given = parser.parse_args(arguments)
    return exit_code_of(lambda: run(given))


def run(given: argparse.Namespace) -> None:
    """Carry out the command."""
    work = given.out / "work"
    pairs = work / "pairs"
    if given.draw or not pairs.is_dir():
        from identigen.training.data import measure
        from identigen.training.harmony.pairs import draw_pairs

        work.mkdir(parents=True, exist_ok=True)
        draw_pairs(measure(given.faces, work / "measured.npz"), pairs, EACH, given.processes)
        if given.draw:
            return
    import torch

    from identigen.identity.harmoniser import read_harmoniser
    from identigen.training.harmony.batches import Strips
    from identigen.training.harmony.train import Course, Training, train

    device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    strips, held = Strips(pairs, "pair", device), Strips(pairs, "held", device)
    print(f"{len(strips)} pairs to learn, {len(held)} held out, on {device}", flush=True)
    course = Course(given.steps, given.batch, given.rate, given.adversary, given.seed)
    training = Training(course, device, read_harmoniser(given.start) if given.start else None)
    checkpoint = work / "harmoniser.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
    train(training, strips, held, given.minutes, checkpoint)
    write(given.out, training, held)


def write(folder: Path, training: object, held: object) -> None:
    """Write the running average, the history and the sheet."""
    import cv2
    import numpy as np
    import torch

    from identigen.identity.harmoniser import write_harmoniser
    from identigen.training.harmony.batches import Strips
    from identigen.training.harmony.train import Training, mended_all

    assert isinstance(training, Training)
    assert isinstance(held, Strips)
    write_harmoniser(training.average, folder / "harmoniser.safetensors")
    batch = held.pick(torch.linspace(0, len(held) - 1, min(SHOWN, len(held))).long())
    columns = (batch.truth, batch.back, mended_all(training, batch)[0], batch.other, mended_all(training, batch)[1])
    rows = torch.cat([column.float().cpu() for column in columns], 3).permute(0, 2, 3, 1).flatten(0, 1)
    sheet = np.clip(np.rint((rows.numpy() + 1) * 127.5), 0, 255).astype(np.uint8)
    cv2.imwrite(str(folder / "harmony.png"), sheet[..., ::-1])
    figures = {"course": asdict(training.course), "steps": training.step, "history": training.history}
    (folder / "harmony.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
