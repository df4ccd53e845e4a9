"""Pictures of pages for the documents, in small files. `make screenshots` names the folder in SCREENSHOTS."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = os.environ.get("SCREENSHOTS")
COLOURS = 256
"""Enough for a page without photographs, at a third of the size."""


def picture(page: Any, name: str, *, full_page: bool = False) -> None:
    """Write a picture of the page as it is shown, if pictures are wanted."""
    if not FOLDER:
        return
    shown = Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB")
    small = shown.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(Path(FOLDER) / f"{name}.png", optimize=True)
