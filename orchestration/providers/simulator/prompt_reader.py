"""Reading a prompt: data between tags, what was said so far, and what is asked now."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from orchestration.types import JsonObject

BLOCK = re.compile(r"(?P<lead>[^\n]*)\n<(?P<label>[A-Za-z][A-Za-z0-9_-]{0,63})>\n(?P<text>.*?)\n</(?P=label)>", re.S)
LISTED = (r"\b{}\b[^.()\n]*\(([^)\n]+)\)", r"\b{}\b[^.()\n]*\bsuch as ([^.\n]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """Text between `<label>` and `</label>`, and the line above it."""

    lead: str
    label: str
    text: str

    @property
    def rows(self) -> list[JsonObject]:
        """Its lines when each of them is a JSON object, else nothing."""
        found: list[Any] = []
        for line in self.text.split("\n"):
            try:
                found.append(json.loads(line))
            except ValueError:
                return []
        return found if all(isinstance(row, dict) for row in found) else []


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was said, and by whom."""

    speaker: str
    text: str
    number: int | None = None
    """Its number in the conversation, when the prompt states it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A prompt, read."""

    instructions: str
    prompt: str
    blocks: tuple[Block, ...]
    """Of the instructions."""
    asked: tuple[Block, ...]
    """Of the last message."""
    before: tuple[Line, ...]
    """What was said so far."""
    said: str
    """What is said or ordered now: the last block of the last message that is neither rows nor a picture."""

    def listed(self, name: str) -> list[str]:
        """What the prompt wants in the list `name`: `In metadata give … (age, sex)` → age, sex."""
        for form in LISTED if name else ():
            match = re.search(form.format(re.escape(name)), self.prompt)
            if match:
                return [each.strip() for each in re.split(r",|\band\b", match[1]) if each.strip()]
        return []

    def records(self, names: frozenset[str]) -> list[JsonObject]:
        """Rows of the instructions' data that have fields of these names and no others."""
        return [row for block in self.blocks for row in block.rows if row and names >= row.keys()]


def read_material(texts: list[str], last: str) -> Material:
    """The material of a prompt's messages; `last` is the last message of the asker."""
    instructions = "\n".join(text for text in texts if text != last)
    asked = _blocks(last)
    lines = [
        Line(str(row.get("from", "")), row["text"], _number(row))
        for block in asked
        for row in block.rows
        if _is_line(row)
    ]
    return Material(
        instructions=instructions,
        prompt="\n".join(texts),
        blocks=_blocks(instructions),
        asked=asked,
        before=tuple(lines),
        said=next((block.text for block in reversed(asked) if not block.rows and "picture" not in block.label), ""),
    )


def _is_line(row: JsonObject) -> bool:
    return isinstance(row.get("text"), str) and "from" in row


def _number(row: JsonObject) -> int | None:
    number = row.get("number")
    return number if isinstance(number, int) else None


def _blocks(text: str) -> tuple[Block, ...]:
    found = BLOCK.finditer(f"\n{text}")
    return tuple(Block(match["lead"], match["label"], match["text"].strip()) for match in found)
