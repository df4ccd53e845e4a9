"""Parts of live pages in templates."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString

from apps.chatlab.models import Message, MessageRole
from apps.simulation.models import Simulation
from apps.training.conversation import delivery_part, pictures_part
from apps.training.parts import Part

register = template.Library()


@register.simple_tag(takes_context=True)
def part(context: dict[str, Any], shown: Part) -> SafeString:
    """The part as the page has it at first."""
    return shown.render(context["request"])


@register.simple_tag(takes_context=True)
def delivery(context: dict[str, Any], simulation: Simulation, message: Message) -> SafeString | str:
    """How it stands with a question; nothing for what the patient said."""
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
    """For one sending of a form: sent twice, it is done once."""
    return secrets.token_hex(16)


@register.filter
def spoken(duration: timedelta) -> str:
    """`1 h 5 min`, `3 min 20 s`, `12 s`."""
    seconds = round(duration.total_seconds())
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
