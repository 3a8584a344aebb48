"""The logo and the icons, drawn for this page: 24 x 24 strokes in the colour of the text around them."""

# ruff: noqa: E501  - path data

from __future__ import annotations

_STROKES = {
    "photo": '<rect x="3" y="5" width="18" height="14" rx="2.5"/><circle cx="8.5" cy="10" r="1.6"/><path d="m4 17 5-4 3 2.5 4-4.5 5 5"/>',
    "camera": '<path d="M4 8h3l1.6-2.5h6.8L17 8h3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1Z"/><circle cx="12" cy="13" r="3.6"/>',
    "phone": '<rect x="7" y="2.8" width="10" height="18.4" rx="2.4"/><path d="M11 18.4h2"/>',
    "star": '<path d="m12 3.6 2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8L12 3.6Z"/>',
    "undo": '<path d="M8 5 4 9l4 4"/><path d="M4 9h10a5.5 5.5 0 0 1 0 11h-4"/>',
    "redo": '<path d="m16 5 4 4-4 4"/><path d="M20 9H10a5.5 5.5 0 0 0 0 11h4"/>',
    "moon": '<path d="M20 14.2A8.2 8.2 0 1 1 9.8 4a6.6 6.6 0 0 0 10.2 10.2Z"/>',
    "sun": '<circle cx="12" cy="12" r="4.2"/><path d="M12 2.8v2.4M12 18.8v2.4M2.8 12h2.4M18.8 12h2.4M5.5 5.5l1.7 1.7M16.8 16.8l1.7 1.7M18.5 5.5l-1.7 1.7M7.2 16.8l-1.7 1.7"/>',
    "shield": '<path d="M12 3.5 5 6v5.6c0 4.2 2.9 7.3 7 8.9 4.1-1.6 7-4.7 7-8.9V6l-7-2.5Z"/><path d="m8.8 12 2.3 2.3 4.2-4.6"/>',
    "check": '<path d="m5 12.5 4.6 4.5L19 7.5"/>',
    "careful": '<path d="M12 4 2.8 19.5h18.4L12 4Z"/><path d="M12 10v4.2"/><path d="M12 16.9v.1"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "more": '<path d="M4 7h10M18 7h2M4 17h2M10 17h10"/><circle cx="16" cy="7" r="2"/><circle cx="8" cy="17" r="2"/>',
    "frame": '<path d="M4 8V5.5A1.5 1.5 0 0 1 5.5 4H8M16 4h2.5A1.5 1.5 0 0 1 20 5.5V8M20 16v2.5a1.5 1.5 0 0 1-1.5 1.5H16M8 20H5.5A1.5 1.5 0 0 1 4 18.5V16"/><path d="M12 9v6M9 12h6"/>',
    "dice": '<rect x="4" y="4" width="16" height="16" rx="3.5"/><path d="M8.5 8.5v.1M15.5 15.5v.1M15.5 8.5v.1M8.5 15.5v.1M12 12v.1"/>',
    "download": '<path d="M12 4v11M7 10.5l5 5 5-5M4.5 20h15"/>',
    "stop": '<rect x="6.5" y="6.5" width="11" height="11" rx="1.5"/>',
    "brush": '<path d="M20 4 10.5 13.5"/><path d="M10.8 13.2c1.8 1.8 1 5.8-6.3 6.3 2-1.6.8-3.6 2.2-5.4 1.2-1.5 3-1.9 4.1-.9Z"/>',
}


def icon(name: str) -> str:
    """An inline icon, invisible to screen readers: the text beside it says the same."""
    return (
        f'<svg class="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" '
        f'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{_STROKES[name]}</svg>'
    )


def logo(side: int = 34) -> str:
    """The mark: one head, whose left half is squares of a mosaic and whose right half is a new person."""
    squares = "".join(
        f'<rect x="{x}" y="{y}" width="4.1" height="4.1" opacity="{opacity}"/>'
        for x, y, opacity in (
            (13.4, 9.4, 1), (9, 9.4, 0.45), (9, 13.8, 1), (13.4, 13.8, 0.6), (9, 18.2, 0.6), (13.4, 18.2, 1),
            (13.4, 22.6, 0.5), (9, 27.6, 1), (13.4, 27.6, 0.6), (4.6, 27.6, 0.5), (13.4, 32, 1), (9, 32, 0.5), (4.6, 32, 1),
        )
    )  # fmt: skip
    return (
        f'<svg class="logo" viewBox="0 0 40 40" width="{side}" height="{side}" aria-hidden="true">'
        f'<rect width="40" height="40" rx="11" fill="var(--brand)"/><g fill="var(--brand-ink)">{squares}'
        '<path d="M20 9.2a8.6 8.9 0 0 1 0 17.6Z"/><path d="M20 28.2c8 .2 13.6 3.2 14.6 8H20Z" opacity=".92"/></g>'
        '<path d="M19.2 5v30.8" stroke="var(--spark)" stroke-width="1.7" stroke-linecap="round"/></svg>'
    )


def qr_code(text: str) -> str:
    """A QR code as SVG, one path of unit squares."""
    import cv2
    import numpy as np

    picture = cv2.QRCodeEncoder.create().encode(text)
    dark = np.argwhere(picture < 128)
    path = "".join(f"M{x} {y}h1v1h-1z" for y, x in dark)
    height, width = picture.shape[:2]
    return (
        f'<svg class="qr" viewBox="-1 -1 {width + 2} {height + 2}" role="img" aria-label="QR" '
        f'shape-rendering="crispEdges"><path d="{path}"/></svg>'
    )
