"""Start the page: `python app.py`, then open http://127.0.0.1:7860. Settings are read from `IDENTIGEN_*`."""

from __future__ import annotations

import logging
import sys

from identigen.errors import IdentiGenError
from identigen.settings import Settings
from identigen.ui import serve


def main() -> None:
    """Read the settings, build the pipeline and the page, serve."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line for every request of its own to itself
    try:
        serve(Settings.from_environment())
    except IdentiGenError as error:
        sys.exit(f"identigen: {error}")


if __name__ == "__main__":
    main()
