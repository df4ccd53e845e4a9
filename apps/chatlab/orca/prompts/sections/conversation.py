"""What was said so far, and the message that waits for a reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from apps.chatlab.models import Message, MessageRole, MessageType
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.token_budget import newest_within
from orchestration.components import PromptSection, as_data
from orchestration.components.registry import services
from orchestration.content import image, takes
from orchestration.decorators import prompt_section
from orchestration.types import JsonObject

HISTORY_TOKENS = 3000
"""Of the conversation in a prompt; the oldest messages are left out first."""
HISTORY_MESSAGES = 400
"""Read at most: what is older does not fit anyway."""

SPEAKS = "services.chatlab.standardized_patient.GeneratePatientReply"
"""The service whose models are shown pictures."""
SPEAKERS = {MessageRole.USER: "trainee", MessageRole.ASSISTANT: "patient", MessageRole.SYSTEM: "note"}


@prompt_section
@dataclass
class RecentHistorySection(ChatlabMixin, StandardizedPatientMixin, PromptSection):
    weight = 40
    required_variables = ("simulation_id",)

    async def render_message(self, *, simulation_id: int, message_id: int | None = None, **ctx: Any) -> str | None:
        rows = Message.objects.answered_before(simulation_id, message_id)
        newest = [row async for row in rows.order_by("-sequence").prefetch_related("media__image")[:HISTORY_MESSAGES]]
        lines = [line(row) for row in reversed(newest)]
        kept = newest_within(lines, HISTORY_TOKENS)
        if not kept:
            return None
        heading = "The conversation so far, one JSON object per message:"
        total = len(lines) if len(lines) < HISTORY_MESSAGES else await rows.acount()
        if len(kept) < total:
            self.note(messages=total, left_out=total - len(kept), token_budget=HISTORY_TOKENS)
            heading += f" (its beginning is left out: the oldest {total - len(kept)} of {total} messages)"
        return heading + "\n" + as_data("\n".join(kept), "conversation")


@prompt_section
@dataclass
class TraineeMessageSection(ChatlabMixin, StandardizedPatientMixin, PromptSection):
    weight = 30
    required_variables = ("simulation_id",)

    async def render_message(self, *, simulation_id: int, message_id: int | None = None, **ctx: Any) -> Any:
        if message_id is None:
            return "Say, as the patient, what comes next in this conversation."
        message = await Message.objects.prefetch_related("media__image").aget(
            pk=message_id, simulation_id=simulation_id
        )
        text = as_data(message.content, "trainee_message")
        described = message.shown()
        if described:
            text += "\nWith these pictures:\n" + as_data("\n".join(described), "pictures_shown")
        return ["Reply, as the patient, to what the trainee says now:\n" + text, *await _pictures(message)]


async def _pictures(message: Message) -> list[JsonObject]:
    """The pictures themselves, for models that see; the others have their descriptions."""
    shown = [media.image for media in message.media.all()]
    service = services.try_get(SPEAKS)
    if not shown or service is None or not takes(service, "image"):
        return []
    return [await image(picture.file, name=picture.description) for picture in shown]


def line(message: Message) -> str:
    """A message as one line of JSON, so that line breaks in it cannot pass for another speaker's turn."""
    text = message.content
    if message.message_type == MessageType.ORDER:
        text = f"(orders tests: {', '.join(text.splitlines())})"
    turn: dict[str, Any] = {"from": SPEAKERS[MessageRole(message.role)], "text": text}
    shown = message.shown()
    if shown:
        turn["pictures"] = shown
    return json.dumps(turn, ensure_ascii=False)
