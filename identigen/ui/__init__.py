"""The page: everything that knows Gradio, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from identigen.settings import Settings

__all__ = ["serve"]


def serve(settings: Settings | None = None) -> None:
    """Serve the page until it is interrupted; Gradio is imported only now."""
    from identigen.ui.layout import serve as serve_page

    serve_page(settings)
