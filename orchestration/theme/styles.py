"""Style sheets, scripts and badges of pages in Django's own theme."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

SCRIPTS = (
    "orchestration/focus.js",
    "orchestration/console.js",
    "orchestration/lists.js",
    "orchestration/plain.js",
)

_sheets = ["orchestration/console.css", "orchestration/plain.css"]


def add_style_sheet(path: str) -> None:
    """Let every page have a static file of another package."""
    if path not in _sheets:
        _sheets.append(path)


def style_sheets() -> list[str]:
    return list(_sheets)


def badge(text: object, colour: str = "") -> SafeString:
    """A word on a coloured ground."""
    return format_html('<span class="orca-badge orca-badge-{}">{}</span>', colour or "none", text)
