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
    _small(shown).save(Path(FOLDER) / f"{name}.png", optimize=True)


def _small(shown: Image.Image) -> Image.Image:
    """With a palette. Pillow's own search for the nearest colour takes white for nearly white, so it is done here."""
    counts = shown.getcolors(shown.width * shown.height) or []
    own = [colour for _, colour in sorted(counts, reverse=True)[: COLOURS // 2]]
    rest = shown.quantize(COLOURS - len(own), method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = [*own, *zip(rest[::3], rest[1::3], rest[2::3], strict=True)][:COLOURS]
    nearest = {colour: _nearest(colour, palette) for _, colour in counts}
    raw = shown.tobytes()
    pixels = zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    small = Image.frombytes("P", shown.size, bytes(nearest[pixel] for pixel in pixels))
    small.putpalette([part for colour in palette for part in colour])
    return small


def _nearest(colour: Any, palette: list[Any]) -> int:
    return min(
        range(len(palette)),
        key=lambda place: sum((one - other) ** 2 for one, other in zip(colour, palette[place], strict=True)),
    )
