"""Work on all cores: bands of fixed size in ordinary threads, so that their number changes no byte of the result."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

_BAND = 4096
"""Targets or pixels in a band."""


def in_bands(count: int, work: Callable[[int, int], Any], size: int = _BAND) -> None:
    """Run `work(lo, hi)` over bands of fixed size, in as many threads as this process may use."""
    bands = [(lo, min(lo + size, count)) for lo in range(0, count, size)]
    if len(bands) == 1:
        work(*bands[0])
    else:
        list(_threads().map(lambda band: work(*band), bands))


@cache
def _threads() -> ThreadPoolExecutor:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ThreadPoolExecutor(cores, thread_name_prefix="background")
