"""Pictures of pages for the documents, in small files. `make screenshots` names the folder in SCREENSHOTS."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = os.environ.get("SCREENSHOTS")
COLOURS = 256
"""Enough for a page without photographs, at a third of the size. Half of them are the page's own, the rest are chosen
for what is left, so that greys and accents are exactly as in the browser."""


def picture(page: Any, name: str, *, full_page: bool = False) -> None:
    """Write a picture of the page as it is shown, if pictures are wanted."""
    if not FOLDER:
        return
    shown = Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
    most_used = sorted(shown.getcolors(shown.width * shown.height), reverse=True)[: COLOURS // 2]
    rest = shown.quantize(COLOURS - len(most_used), method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(part for _, colour in most_used for part in colour), *rest])
    small = shown.quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(Path(FOLDER) / f"{name}.png", optimize=True)
