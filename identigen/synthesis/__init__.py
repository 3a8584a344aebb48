"""Synthesisers: draw new people for the faces of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from identigen.models import HEAD, is_shipped
from identigen.settings import Settings
from identigen.types import Candidate, Company, Edit, Mask, Operation, Pixels, Proposals, Stop, Subject

__all__ = ["Synthesiser", "available_synthesisers", "embedded_synthesiser", "why_unavailable"]


class Synthesiser(Protocol):
    """Proposes new identities; which of them is good enough is decided by the pipeline, not here."""

    name: str
    operations: frozenset[Operation]
    models: tuple[str, ...]
    """Names in `models.REGISTRY`."""
    rounds: tuple[tuple[float, int], ...]
    """How far on the way from the asked strength to the full one, and how many candidates are worth drawing there."""

    def prepare(self) -> None:
        """Load what the first visitor would wait for."""
        ...

    def region(self, pixels: Pixels, subject: Subject, edit: Edit) -> Mask:
        """Every pixel that a candidate for this edit may change."""
        ...

    def propose(
        self,
        pixels: Pixels,
        subject: Subject,
        edit: Edit,
        seeds: Sequence[int],
        company: Company | None = None,
        stop: Stop | None = None,
    ) -> Proposals:
        """Yield one candidate for each seed, drawn only when asked for; the same edit and seed give the same bytes.

        Who is told by `send` how a candidate was seen may draw the next one better.

        `company`, if given, says whom to stay away from; an engine that cannot steer leaves it to the pipeline's check.
        `stop`, if given, is asked while something is drawn; once it is true, `Stopped` is raised. Raise `EngineError`
        when this person cannot be done.
        """
        ...

    def finish(self, pixels: Pixels, subject: Subject, candidate: Candidate) -> Candidate:
        """The chosen candidate with what would cost too much for all, over the same window.

        It is measured again before anybody sees it, and shown halfway where all the way would be unsafe.
        """
        ...


def embedded_synthesiser() -> Synthesiser:
    """The engine that needs nothing but what the repository holds."""
    from identigen.synthesis.embedded import Embedded

    return Embedded()


def embedded_synthesisers() -> tuple[Synthesiser, ...]:
    """All of that engine that is really here: hair needs weights that are not shipped yet."""
    from identigen.background.patchmatch import PatchMatch

    if why_no_head():
        return (embedded_synthesiser(),)
    from identigen.synthesis.head import HeadPainter

    return (embedded_synthesiser(), HeadPainter(PatchMatch()))


def available_synthesisers(settings: Settings) -> tuple[Synthesiser, ...]:
    """The engines that really run here, best first; none when the one that `settings` name is missing."""
    from identigen.background.lama import lama_background
    from identigen.background.patchmatch import PatchMatch
    from identigen.synthesis.diffusion import diffusion_synthesiser, why_no_diffusion

    if settings.engine == "embedded" or why_no_diffusion(settings):
        return () if settings.engine == "diffusion" else embedded_synthesisers()
    # The rim around somebody new is narrow: no prompt is needed there.
    diffusion = diffusion_synthesiser(settings, lama_background(settings) or PatchMatch())
    found: tuple[Synthesiser, ...] = (diffusion,) if diffusion else ()
    return found if settings.engine == "diffusion" else (*found, *embedded_synthesisers())


def why_unavailable(operation: Operation, settings: Settings) -> str:
    """Why no engine does `operation` here, and what would help: one sentence for people."""
    from identigen.synthesis.diffusion import why_no_diffusion

    what = {Operation.FACE: "A new face", Operation.FACE_HAIR: "New hair", Operation.BODY: "A new body"}[operation]
    own = f"{why_no_head()} or " if operation is Operation.FACE_HAIR else ""
    return f"{what} needs {own}the diffusion engine, which cannot run here: {why_no_diffusion(settings)}"


def why_no_head() -> str:
    """What is missing for hair on the embedded engine and what would help, to go on a sentence; empty when nothing."""
    if is_shipped(HEAD):
        return ""
    return (
        "the embedded engine's head model, which has not been trained well enough yet "
        "(`python -m identigen.training.head` on a GPU makes its weights),"
    )
