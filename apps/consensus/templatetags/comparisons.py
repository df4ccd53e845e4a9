"""Template tags for what changed between two runs. Colours say better and worse, and words say it, too."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
SIGNS = {"better": "▲", "worse": "▼"}


@register.simple_tag
def change(delta: str | None, trend: str) -> SafeString | str:
    """A change of a score: `▲ 0.12 better`."""
    if delta is None:
        return "not compared"
    if trend == "same":
        return "no change"
    amount = f"{abs(Decimal(delta)):.2f}"
    return format_html('<span class="{}">{} {} {}</span>', trend, SIGNS[trend], amount, trend)


@register.simple_tag
def changed_line(line: str) -> SafeString:
    """A line that `difflib.ndiff` marked, as text that was removed, added or kept. Neither is better by itself."""
    mark, text = line[:1], line[2:]
    element = {"-": "del", "+": "ins"}.get(mark, "span")
    return format_html("<p><{}>{}</{}></p>", element, text, element)
