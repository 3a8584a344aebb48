"""The command line: a contract that scripts depend on.

Exit codes: 0 done · 1 internal error · 2 input refused, one sentence on stderr, no output file · 3 an operation failed
its check and that person is covered instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from identigen.errors import IdentiGenError, InputError, PlanError
from identigen.settings import Settings
from identigen.types import MAX_SEED, Operation, Photo, Plan, Subject
from identigen.version import VERSION

if TYPE_CHECKING:
    from identigen.pipeline import Pipeline

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="New people for old pictures."
)
models_app = typer.Typer(no_args_is_help=True, help="The models IdentiGen knows, and their licences.")
app.add_typer(models_app, name="models")
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure IdentiGen on your own pictures.")
app.add_typer(evaluate_app, name="evaluate")


class Engine(str, Enum):
    """Choices of `--engine`."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    DIFFUSION = "diffusion"


class Region(str, Enum):
    """Choices of `--region`."""

    BOX = "box"
    SEGMENT = "segment"


class Extent(str, Enum):
    """Choices of `--extent`."""

    FACE = "face"
    HEAD = "head"
    PERSON = "person"


class Format(str, Enum):
    """Choices of `--format`."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"


OperationOption = Annotated[
    Operation | None, typer.Option("--operation", help="What to do; left out: what suits each person best.")
]
RegionOption = Annotated[Region, typer.Option("--region", help="Cover the box or the segmented region.")]
ExtentOption = Annotated[Extent, typer.Option("--extent", help="How much of the person a cover takes.")]
SubjectsOption = Annotated[
    str, typer.Option("--subjects", help="all, or numbers such as 1,3 (see `identigen detect`).")
]
EngineOption = Annotated[Engine, typer.Option("--engine", help="auto takes the best one that is available.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=MAX_SEED, help="The same seed gives the same new people.")
]
StrengthOption = Annotated[
    float, typer.Option("--strength", min=0.0, max=1.0, help="How far from the source a new identity must be.")
]
WishesOption = Annotated[
    list[str] | None,
    typer.Option("--wish", help="NAME=VALUE, repeatable: age=old, gender=feminine, beard=none, blend=42@0.5."),
]


@app.command()
def anonymize(
    photo: Annotated[Path, typer.Argument(help="JPEG, PNG, WebP, TIFF or HEIC.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Ends in .png (lossless), .jpg or .webp.")],
    operation: OperationOption = None,
    region: RegionOption = Region.SEGMENT,
    extent: ExtentOption = Extent.FACE,
    subjects: SubjectsOption = "all",
    engine: EngineOption = Engine.AUTO,
    seed: SeedOption = 0,
    strength: StrengthOption = 0.5,
    wishes: WishesOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write what was done as JSON.")] = None,
    boxes: Annotated[
        Path | None, typer.Option("--boxes", help="Your own boxes, JSON [[x1,y1,x2,y2], ...], instead of detection.")
    ] = None,
) -> None:
    """Give the people in PHOTO new identities, or cover or remove them."""
    from identigen.photo import format_of, open_photo, write_atomically
    from identigen.pipeline import make_plan
    from identigen.verification import export

    format_of(out)  # a wrong ending is said before any work is done
    wanted, attributes = _parse_subjects(subjects), _parse_wishes(wishes)
    pipeline = _pipeline(engine)
    source = open_photo(photo, pipeline.settings)
    people = pipeline.detect(source) if boxes is None else _subjects_in(pipeline, source, _read_boxes(boxes))
    options = {"region": region.value, "extent": extent.value, "strength": strength, "attributes": attributes}
    plan = make_plan(people, operation, wanted, seed=seed, **options) if people or wanted else Plan(())
    result = pipeline.anonymize(source, people, plan)
    finished = export(result, out)
    if report is not None:
        write_atomically(report, (json.dumps(finished.to_json(), indent=2) + "\n").encode())
    for warning in finished.warnings:
        typer.echo(f"Note: {warning}", err=True)
    for outcome in finished.outcomes:
        if outcome.applied is not Operation.KEEP or outcome.asked is not Operation.KEEP:
            typer.echo(_line(outcome))
    raise typer.Exit(3 if finished.failed else 0)


@app.command()
def detect(
    photo: Annotated[Path, typer.Argument(help="JPEG, PNG, WebP, TIFF or HEIC.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything, masks included, as JSON.")] = None,
    engine: EngineOption = Engine.AUTO,
) -> None:
    """List the people in PHOTO with what suits each of them."""
    from identigen.photo import open_photo, write_atomically
    from identigen.report import detection_json

    pipeline = _pipeline(engine)
    source = open_photo(photo, pipeline.settings)
    people = pipeline.detect(source)
    if json_file is not None:
        write_atomically(json_file, (json.dumps(detection_json(source, people)) + "\n").encode())
    if not people:
        typer.echo("Note: Nobody was found in this photo.", err=True)
    for subject in people:
        x1, y1, x2, y2 = (round(value) for value in subject.box)
        face = f"face {subject.face.size_px:.0f} px" if subject.face else "no face"
        typer.echo(
            f"{subject.id}  {x1},{y1} to {x2},{y2}  {face}  {subject.quality.level}  "
            f"{subject.default_operation.value}  {subject.reason}".rstrip()
        )


@app.command()
def batch(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder of photos.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the results and report.jsonl go.")],
    operation: OperationOption = None,
    region: RegionOption = Region.SEGMENT,
    extent: ExtentOption = Extent.FACE,
    subjects: SubjectsOption = "all",
    engine: EngineOption = Engine.AUTO,
    seed: SeedOption = 0,
    strength: StrengthOption = 0.5,
    wishes: WishesOption = None,
    format_: Annotated[Format, typer.Option("--format", help="Format of the results.")] = Format.PNG,
) -> None:
    """Anonymise every photo in a folder; names are mirrored, bad files become rows of the report."""
    from identigen.batch import run_batch
    from identigen.pipeline import make_plan

    wanted, attributes = _parse_subjects(subjects), _parse_wishes(wishes)
    options = {"region": region.value, "extent": extent.value, "strength": strength, "attributes": attributes}

    def plan(people: tuple[Subject, ...]) -> Plan:
        present = None if wanted is None else {subject.id for subject in people} & set(wanted)
        return make_plan(people, operation, present, seed=seed, **options)

    counts: dict[str, int] = {}
    for row in run_batch(_pipeline(engine), source, out, plan, f".{format_.value}"):
        counts[row.status] = counts.get(row.status, 0) + 1
        typer.echo(f"{row.status:10}  {row.photo}  {row.text}")
    typer.echo(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    if counts.keys() == {"unreadable"}:
        raise typer.Exit(2)
    raise typer.Exit(3 if "failed" in counts else 0)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for the local network.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    engine: EngineOption = Engine.AUTO,
) -> None:
    """Open the page, by default at http://127.0.0.1:7860."""
    from identigen.ui import serve as serve_page

    settings = _settings(engine)
    serve_page(replace(settings, host=host or settings.host, port=port or settings.port))


@models_app.command("list")
def models_list() -> None:
    """Show every model with its licence and what that licence asks of you."""
    from identigen.models import REGISTRY

    for record in REGISTRY.values():
        needs = [
            f"{record.gigabytes:.2g} GB to fetch" if record.gigabytes else "",
            f"{record.vram_gigabytes:.2g} GB on a GPU" if record.vram_gigabytes else "",
            f"{record.steps} steps" if record.steps else "",
        ]
        typer.echo(f"{record.name}  ({record.job})")
        typer.echo(f"    {record.licence}: {record.consequence}")
        typer.echo("    " + ", ".join(part for part in (f"from {record.source}", *needs) if part))


@models_app.command("check")
def models_check(
    thorough: Annotated[bool, typer.Option("--thorough", help="Read every byte of what is here.")] = False,
) -> None:
    """Say for every model whether it is here, missing, offline, gated, damaged or refused."""
    from identigen.models.weights import check

    for state in check(Settings.from_environment(), thorough):
        typer.echo(f"{state.status:8}  {state.record.name}  {state.detail}")


@models_app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(help="A name from `identigen models list`.")]) -> None:
    """Fetch a model's weights, or the rest of them; nothing is ever fetched without being asked for."""
    from identigen.detection.yolo import fetch
    from identigen.models.weights import Progress, pull

    def show(progress: Progress) -> None:
        share = progress.done / max(progress.total, 1)
        typer.echo(f"\r{share:4.0%} of {progress.total / 1e6:.0f} MB  {progress.file[-50:]:50}", nl=False, err=True)

    settings = Settings.from_environment()
    folder = fetch(settings, typer.echo) if name == "yolo-seg" else pull(name, settings, show)
    typer.echo(f"{name} is at {folder}.")


@evaluate_app.command("detection")
def evaluate_detection_command(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="images/ + annotations.json (COCO) and/or faces.json.")],
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of misses and false finds.")] = None,
) -> None:
    """Recall and precision of faces and people against reference boxes and polygons."""
    from identigen.evaluation.detection import evaluate_detection

    evaluate_detection(_folder(data), settings=Settings.from_environment(), sheet=sheet)


@evaluate_app.command("background")
def evaluate_background_command(
    scenes: Annotated[Path, typer.Argument(metavar="SCENES_DIR", help="Pictures of places without people.")],
    limit: Annotated[int | None, typer.Option(help="Only the first N scenes.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead write blind pairs against shift-map to be judged by eye."),
    ] = None,
) -> None:
    """Known-answer test of background prediction against OpenCV's methods."""
    if pairs is not None:
        from identigen.evaluation.pairs import write_pairs

        key = write_pairs(_folder(scenes), pairs, limit=limit)
        typer.echo(f"Judge the pictures in {pairs} first; which side is ours tells {key}.")
        return
    from identigen.evaluation.background import evaluate_background

    evaluate_background(_folder(scenes), limit=limit, sheet=sheet)


@evaluate_app.command("removal")
def evaluate_removal_command(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS", help="Photos of people, or folders of them.")],
    limit: Annotated[int | None, typer.Option(help="Only the N largest people of each photo.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet.")] = None,
) -> None:
    """Remove each person on their own: whom does the detector still see, how sharp is the fill."""
    from identigen.evaluation.removal import evaluate_removal

    evaluate_removal(photos, limit=limit, sheet=sheet)


@evaluate_app.command("identity")
def evaluate_identity_command(
    faces: Annotated[Path, typer.Argument(metavar="FACES_DIR", help="Portraits to be given new faces.")],
    limit: Annotated[int | None, typer.Option(help="Only N pictures, drawn with seed 0.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Only faces the model was not taught.")] = False,
    everybody: Annotated[bool, typer.Option("--everybody", help="All faces, not the largest of each.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write contact sheets into this folder.")] = None,
    blind: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write portraits, untouched or with a new face, to be judged by eye."),
    ] = None,
    groups: Annotated[Path | None, typer.Option(help="Write the figures of each group into this file.")] = None,
) -> None:
    """Re-identification, utility and picture quality of new faces."""
    from identigen.evaluation.identity import evaluate_identity

    evaluate_identity(
        _folder(faces),
        limit=limit,
        held_out=held_out,
        everybody=everybody,
        sheet=sheet,
        blind=blind,
        groups=groups,
    )


@evaluate_app.command("heads")
def evaluate_heads_command(
    faces: Annotated[Path, typer.Argument(metavar="FACES_DIR", help="The training faces, with index.csv.")],
    work: Annotated[Path, typer.Option(help="Where measured.npz of a training lies, or will lie.")],
    limit: Annotated[int | None, typer.Option(help="Only the first N held-out pictures.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write contact sheets into this folder.")] = None,
) -> None:
    """How near drawn people are to held-out people: kernel distances of the recogniser's descriptors."""
    from identigen.evaluation.heads import evaluate_heads

    evaluate_heads(_folder(faces), work, limit=limit, sheet=sheet)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    """New people for old pictures."""
    if version:
        typer.echo(f"identigen {VERSION}")
        raise typer.Exit()


def main() -> NoReturn:
    """Run as a program: stderr belongs to our own sentences."""
    _mute_native_libraries()
    run()


def run() -> NoReturn:
    """Run the command line and end the process with the contract's exit code."""
    try:
        app(standalone_mode=False)
    except IdentiGenError as error:
        _fail(str(error), error.exit_code)
    except (typer.Exit, SystemExit) as end:
        sys.exit(getattr(end, "exit_code", getattr(end, "code", 0)))
    except typer.Abort:
        _fail("Stopped.", 1)
    except KeyboardInterrupt:
        _fail("Stopped.", 130)
    except Exception as error:
        show = getattr(error, "show", None)  # click's own usage errors know how to print themselves
        if show is not None:
            show()
            sys.exit(2)
        _fail(f"Internal error ({type(error).__name__}: {error}); please report it with the command that you ran.", 1)
    sys.exit(0)


def _mute_native_libraries() -> None:
    """MediaPipe's C++ side writes its log to file descriptor 2, past every switch; give it another one than ours."""
    own = os.dup(2)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _fail(text: str, code: int) -> NoReturn:
    typer.echo(text, err=True)
    sys.exit(code)


def _line(outcome: Any) -> str:
    distance = ", ".join(
        f"{name} {value:.2f} (same person below {outcome.thresholds[name]:.2f})"
        for name, value in outcome.distances.items()
    )
    return f"{outcome.subject_id}  {outcome.applied.value}  {outcome.verdict}  {distance}  {outcome.reason}".rstrip()


def _settings(engine: Engine) -> Settings:
    settings = Settings.from_environment()
    return settings if engine is Engine.AUTO else replace(settings, engine=engine.value)


def _pipeline(engine: Engine) -> Pipeline:
    from identigen.pipeline import Pipeline

    return Pipeline(_settings(engine))


def _parse_subjects(text: str) -> Collection[int] | None:
    if text.strip().lower() == "all":
        return None
    try:
        return {int(part) for part in text.split(",")}
    except ValueError:
        raise PlanError(f"--subjects takes 'all' or numbers such as 1,3, not {text!r}.") from None


def _parse_wishes(wishes: list[str] | None) -> dict[str, str]:
    parts = [wish.partition("=") for wish in wishes or ()]
    wrong = [name for name, _, value in parts if not name or not value]
    if wrong:
        raise PlanError(f"--wish takes NAME=VALUE such as age=old, not {wrong[0]!r}.")
    return {name: value for name, _, value in parts}


def _subjects_in(
    pipeline: Pipeline, photo: Photo, boxes: list[tuple[float, float, float, float]]
) -> tuple[Subject, ...]:
    found: list[Subject] = []
    for number, box in enumerate(boxes, start=1):
        subject = pipeline.subject_in(photo, box, found)
        found.append(replace(subject, id=number))
    return tuple(found)


def _read_boxes(path: Path) -> list[tuple[float, float, float, float]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        items = data["boxes"] if isinstance(data, dict) else data
        boxes = [(float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in items]
    except OSError:
        raise InputError(f"{path} cannot be read; give a JSON file with boxes.") from None
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path} does not hold boxes; write them as [[x1, y1, x2, y2], ...] in pixels.") from None
    if any(x2 <= x1 or y2 <= y1 for x1, y1, x2, y2 in boxes):
        raise InputError(f"{path} holds a box that is empty or inside out; x2 > x1 and y2 > y1 are needed.")
    return boxes


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"{path} is not a folder.")
    return path
