"""Whoever the simulator speaks for. This one knows the records of a prompt; others play roles and judge."""

from __future__ import annotations

import random
import re

from orchestration.providers.material import Material
from orchestration.providers.speech import stems
from orchestration.types import JsonObject

KINDS = {"radi": ("x-ray", "xray", "ct", "mri", "ultrasound", "scan", "echo", "imaging", "sonography", "radiograph")}
"""Stem of an enum's member → words of an order that go with it."""
UNREMARKABLE = ("nothing unusual", "as expected", "unremarkable")


class Player:
    """Answers with what the prompt's data hold; None and nothing where they say nothing."""

    most_items = 2
    """Of a list that may have any number of them."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self._material = material
        self._rng = rng

    def reply(self) -> str | None:
        """What is said to what is asked now."""
        return None

    def text(self, name: str) -> str | None:
        """The text of another property."""
        return None

    def decides(self, name: str) -> bool | None:
        """The value of a flag."""
        return None

    def rates(self, low: int, high: int) -> int | None:
        """A mark between two whole numbers."""
        return None

    def rows(self, name: str, fields: frozenset[str]) -> list[JsonObject]:
        """What is known of the objects of the list `name`: the records that the lines asked for, one for each line."""
        records = self._material.records(fields)
        if "key" not in fields or not (records or "value" in fields) or not self._material.said:
            return []
        lines = [line.strip(" -*") for line in re.split(r"[\n,;]", self._material.said) if line.strip(" -*")]
        return [self._row(line, records) for line in lines if stems(line)] if "kind" in fields else []

    def _row(self, line: str, records: list[JsonObject]) -> JsonObject:
        wanted = stems(line)
        found = max(records, key=lambda row: len(wanted & stems(str(row.get("key", "")))), default={})
        if wanted & stems(str(found.get("key", ""))):
            return found
        words = set(re.findall(r"[a-z-]+", line.lower()))
        kind = next((stem for stem, signs in KINDS.items() if words & set(signs)), "")
        return {"key": line[:100], "kind": kind, "value": self._rng.choice(UNREMARKABLE), "unit": "",
                "reference_range": "", "flag": "normal"}  # fmt: skip
