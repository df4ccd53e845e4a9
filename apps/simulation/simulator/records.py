"""The laboratory: what is ordered comes from the findings in the prompt, else a healthy person's value; nonsense is
answered as nonsense."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from apps.simulation.clinical.catalogue import usual
from apps.simulation.clinical.findings import Asked, FindingIndex
from apps.simulation.models.cases import Finding
from orchestration.providers.simulator.prompt_reader import Material
from orchestration.providers.simulator.responder import Responder
from orchestration.types import JsonObject

NO_TEST = "This is neither a test nor an examination, so there is no result."
RESULT = frozenset({"kind", "key", "value"})
"""The fields of a result."""


class Records(Responder):
    """Answers orders."""

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        """One result for each thing that the lines of the order ask for."""
        if not fields >= RESULT or not self._material.said:
            return None
        index = FindingIndex(findings_in(self._material))
        lines = [line.strip(" -*") for line in self._material.said.split("\n") if line.strip(" -*")]
        return [row | {"ordered": line} for line in lines for row in self._results(index, line)]

    def _results(self, index: FindingIndex, line: str) -> Iterator[JsonObject]:
        asked = index.read(line)
        for each in asked or [Asked(line, None, ())]:
            if each.findings:
                yield from (_row(finding) | {"finding": finding.key} for finding in each.findings)
            elif each.concept is not None:
                yield from map(_row, usual(each.concept, each.text, self._rng))
            else:
                key = each.text[:255] or line[:255]
                yield {"kind": "lab_result", "key": key, "value": NO_TEST, "flag": "normal", "is_test": False}


def records(material: Material, rng: random.Random) -> Records | None:
    """The responder for prompts that order something by name."""
    return Records(material, rng) if material.said else None


def _row(finding: Finding) -> JsonObject:
    row = finding.model_dump(exclude={"aliases", "system"})
    return row | {"finding": "", "system": finding.system, "is_test": True}


def findings_in(material: Material) -> Iterator[Finding]:
    """The rows of the instructions that are findings."""
    known = Finding.model_fields
    for row in (row for block in material.blocks for row in block.rows):
        try:
            yield Finding.model_validate({name: value for name, value in row.items() if name in known})
        except ValidationError:
            continue
