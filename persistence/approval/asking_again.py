"""A rejected answer that is asked for again: what the model is sent then."""

from __future__ import annotations

from typing import Any

from orchestration.models import ServiceCallRecord
from orchestration.values.sanitize import legible
from persistence.errors import InvalidDecision
from persistence.models.approval import MAX_NOTE
from persistence.reprocessing.rerun import rerun, whole_prompt


def ask_the_model_again(record: ServiceCallRecord, note: str) -> str:
    """Queue a rerun of the call with its answer and the reason added to the prompt; returns its id.

    Raises InvalidDecision when the prompt was purged, and what submitting a call raises.
    """
    messages, said = whole_prompt(record), record.stored_response().output or ""
    if not messages:
        raise InvalidDecision("What was sent is no longer stored, so the model cannot be asked again.")
    hint = f"A person rejected this answer, for this reason: {legible(note, MAX_NOTE)}\nAnswer again, in the same form."
    answered: list[Any] = [{"role": "assistant", "content": said}] if said else []
    new = rerun(record, messages=[*messages, *answered, {"role": "user", "content": hint}], persist=True)
    return str(new.pk)
