"""What is reported of an order: the findings that the author fixed, unchanged, and what the model made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.chatlab.orca.schemas.test_results import TestResult
from apps.simulation.clinical.findings import FindingIndex
from apps.simulation.models.cases import SYSTEMS, Finding
from orchestration.values.plain_text import without_controls

NO_TEST = "{}: this is neither a test nor an examination."


@dataclass(slots=True)
class Report:
    """The results of an order, and what of it is not a test."""

    findings: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def content(self) -> str:
        """For people, one line each."""
        lines = [finding.line() for finding in self.findings]
        return "\n".join([*lines, *(NO_TEST.format(what) for what in self.refused)])

    def data(self) -> dict[str, list[object]]:
        """As `Message.data`."""
        shown: list[object] = [finding.model_dump(exclude={"aliases"}) for finding in self.findings]
        return {"results": shown, "refused": list(self.refused)}


def report(results: Sequence[TestResult], fixed: Sequence[Finding], ordered: Sequence[str]) -> Report:
    """Fixed findings come whether or not the model reported them. Of the model's results none is kept that could
    contradict one: none about the same test, none that answers a line which fixed findings answer wholly, and no
    summary of a panel of which a part is fixed."""
    index = FindingIndex(fixed)
    by_key = {finding.key.casefold(): finding for finding in fixed}
    found = {finding.key.casefold(): finding for finding in index.ordered(ordered)}
    settled = {_line(line, 1000).casefold() for line in ordered if index.settles(line)}
    refused: dict[str, str] = {}
    for result in results:
        meant = [by_key[result.key.casefold()]] if result.key.casefold() in by_key else index.ordered([result.key])
        if not meant and result.finding.casefold() in by_key:
            meant = [by_key[result.finding.casefold()]]
        if meant:
            found |= {finding.key.casefold(): finding for finding in meant}
        elif {result.key.casefold(), _line(result.ordered, 1000).casefold()} & settled:
            continue
        elif not result.is_test:
            refused.setdefault(result.key.casefold(), result.key)
        elif not _mentions_fixed(result, index):
            found[result.key.casefold()] = as_finding(result)
    return Report(list(found.values()), list(refused.values()))


def as_finding(result: TestResult) -> Finding:
    """Without validating again: a long report is shortened, not refused, once it has been paid for."""
    return Finding.model_construct(
        kind=result.kind,
        key=result.key,
        value=result.value,
        unit=_line(result.unit, 32),
        reference_range=_line(result.reference_range, 64),
        flag=result.flag,
        aliases=[],
        system=next((system for system in SYSTEMS if system == result.system), ""),
    )


def _mentions_fixed(result: TestResult, index: FindingIndex) -> bool:
    """Whether a laboratory's result is a summary that speaks of a fixed value, too."""
    if result.kind != "lab_result" or ("," not in result.value and "\n" not in result.value):
        return False
    return any(finding.kind == "lab_result" for finding in index.ordered(result.value.splitlines()))


def _line(text: str, longest: int) -> str:
    return " ".join(without_controls(text).split())[:longest]
