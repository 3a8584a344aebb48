"""Reading weights into the classes of diffusers and transformers: without a network, without a word, or with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from identigen.errors import ModelCorrupt
from identigen.models.devices import is_out_of_memory


def read(kind: Any, name: str, folder: Path, **options: Any) -> Any:
    """An object of class `kind` from the files of the model `name`; raise `ModelCorrupt` where they do not fit it."""
    import transformers

    _hush(transformers)
    if kind.__module__.startswith("diffusers"):
        import diffusers

        _hush(diffusers)
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        first_line = (str(error).splitlines() or [""])[0][:120]
        raise ModelCorrupt(
            f"{name} could not be loaded ({type(error).__name__}: {first_line}); `identigen models check --thorough` "
            f"tells which file is damaged, `identigen models pull {name}` repairs it."
        ) from error


def _hush(library: Any) -> None:
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
