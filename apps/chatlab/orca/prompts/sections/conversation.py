"""What was said so far, and the message that waits for a reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from apps.chatlab.models import Message, MessageRole
from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.orca.mixins import StandardizedPatientMixin
from orchestration.decorators import prompt_section
from orchestration.prompts import PromptSection, as_data

HISTORY_CHARACTERS = 12_000
"""About 3,000 tokens; the oldest messages are left out first."""
HISTORY_MESSAGES = 200

SPEAKERS = {MessageRole.USER: "trainee", MessageRole.ASSISTANT: "patient", MessageRole.SYSTEM: "note"}


@prompt_section
@dataclass
class RecentHistorySection(ChatlabMixin, StandardizedPatientMixin, PromptSection):
    weight = 40
    required_variables = ("simulation_id",)

    async def render_message(self, *, simulation_id: int, message_id: int | None = None, **ctx: Any) -> str | None:
        rows = Message.objects.answered_before(simulation_id, message_id).order_by("-sequence")
        newest = [line(row) async for row in rows[: HISTORY_MESSAGES + 1]]
        kept = within_budget(newest[:HISTORY_MESSAGES])
        if not kept:
            return None
        heading = "The conversation so far, one JSON object per message:"
        if len(kept) < len(newest):
            heading += " (its beginning is left out)"
        return heading + "\n" + as_data("\n".join(reversed(kept)), "conversation")


@prompt_section
@dataclass
class TraineeMessageSection(ChatlabMixin, StandardizedPatientMixin, PromptSection):
    weight = 30
    required_variables = ("simulation_id",)

    async def render_message(self, *, simulation_id: int, message_id: int | None = None, **ctx: Any) -> str | None:
        if message_id is None:
            return "Say, as the patient, what comes next in this conversation."
        message = await Message.objects.aget(pk=message_id, simulation_id=simulation_id)
        return "Reply, as the patient, to what the trainee says now:\n" + as_data(message.content, "trainee_message")


def line(message: Message) -> str:
    """A message as one line of JSON, so that line breaks in it cannot pass for another speaker's turn."""
    return json.dumps({"from": SPEAKERS[MessageRole(message.role)], "text": message.content}, ensure_ascii=False)


def within_budget(newest_first: list[str]) -> list[str]:
    """The newest lines that fit into HISTORY_CHARACTERS; always at least the newest one."""
    kept: list[str] = []
    used = 0
    for text in newest_first:
        used += len(text)
        if kept and used > HISTORY_CHARACTERS:
            break
        kept.append(text)
    return kept
