"""What every peer asks and how it reads the answer: the prompt, the schema and the validation of our own benchmark."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

INSTRUCTION = "You triage support tickets. Judge the urgency from 0 to 9 and name the team. " * 4
MODEL = "gpt-4o-mini"


class Triage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    urgency: int
    team: str
    reason: str


FORMAT = {"type": "json_schema", "name": "triage", "schema": Triage.model_json_schema(), "strict": True}


def request(number: int) -> dict[str, Any]:
    """The arguments of `responses.create`, and the body of `POST /responses`."""
    message = f"Ticket {number}: the export button does nothing since this morning's release. " * 4
    messages = [{"role": "developer", "content": INSTRUCTION}, {"role": "user", "content": message}]
    return {"model": MODEL, "input": messages, "text": {"format": FORMAT}, "store": False}


def read(text: str) -> dict[str, Any]:
    return Triage.model_validate_json(text).model_dump()


def read_body(body: bytes) -> dict[str, Any]:
    """The answer in the bytes of an answer of `POST /responses`."""
    return read(json.loads(body)["output"][0]["content"][0]["text"])
