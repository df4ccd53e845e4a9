"""Template tags for the parts of live pages."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString

from apps.chatlab.models import Message, MessageRole
from apps.simulation.models import Simulation
from apps.training.live.conversation import delivery_part, pictures_part
from apps.training.live.fragments import Part

register = template.Library()

SOON, URGENT = timedelta(minutes=5), timedelta(minutes=1)
"""Below so much time a clock is amber, and red. live.js counts by the same."""


@register.simple_tag(takes_context=True)
def part(context: dict[str, Any], shown: Part) -> SafeString:
    """A part, rendered into the page when it is first loaded."""
    return shown.render(context["request"])


@register.simple_tag(takes_context=True)
def delivery(context: dict[str, Any], simulation: Simulation, message: Message) -> SafeString | str:
    """The delivery of a question; nothing for messages of the patient."""
    if message.role != MessageRole.USER:
        return ""
    return delivery_part(simulation, message).render(context["request"])


@register.simple_tag(takes_context=True)
def pictures(context: dict[str, Any], simulation: Simulation, message: Message) -> SafeString | str:
    """The pictures of a message; nothing when it has none and awaits none."""
    if not message.image_requested and not message.media.all():
        return ""
    return pictures_part(simulation, message).render(context["request"])


@register.simple_tag
def fresh_key() -> str:
    """An idempotency key for one submission of a form."""
    return secrets.token_hex(16)


@register.filter
def spoken(duration: timedelta) -> str:
    """`1 h 5 min`, `3 min 20 s`, `12 s`: the two largest parts, without zeros."""
    seconds = round(duration.total_seconds())
    hours, minutes = divmod(seconds // 60, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else seconds % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


@register.filter
def minutes(duration: timedelta) -> str:
    """`30 minutes`."""
    count = int(duration.total_seconds() // 60)
    return f"{count} minute{'' if count == 1 else 's'}"


@register.filter
def clock(left: timedelta | None) -> str:
    """`1:05:00`, `12:34`, `0:07`; nothing without a limit."""
    if left is None:
        return ""
    minutes, seconds = divmod(round(left.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.filter
def urgency(left: timedelta | None) -> str:
    """The class of a clock: `soon` below five minutes, `urgent` below one."""
    if left is None or left >= SOON:
        return ""
    return "soon" if left >= URGENT else "urgent"
