"""What all training commands share: a mistake of whoever calls one is a sentence and an exit code, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from identigen.errors import IdentiGenError


def exit_code_of(work: Callable[[], None]) -> int:
    """Do the work of a command: 0, or the code of the error that is said."""
    try:
        work()
    except IdentiGenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
