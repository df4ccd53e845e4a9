"""Which of a case's findings an order asks for, and which of them a model's result is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.simulation.clinical.orders import Lookup, as_tests, read_order
from apps.simulation.clinical.vitals import vital_named
from apps.simulation.clinical.vocabulary import IGNORED, Concept, joined
from apps.simulation.clinical.words import nearest, stems
from apps.simulation.models.cases import Finding

LONG = 5
"""Letters of a word that names a finding even when it stands alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is ordered: as it was written (of a set: the name of the test), what it means, what answers it."""

    text: str
    concept: Concept | None
    findings: tuple[Finding, ...]


class FindingIndex:
    """The findings of a case by all their names."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        self._known: Lookup = {}
        self._meanings: dict[str, set[Concept]] = {}
        for finding in self.findings:
            names = (finding.key, *finding.aliases)
            self._known |= {joined(stems(name)): Concept("finding", finding.key) for name in names}
            self._meanings[finding.key] = {concept for name in names for concept in _meaning(name, finding)}

    def read(self, line: str) -> list[Asked]:
        """What a line of an order asks for, sets as their tests."""
        asked: list[Asked] = []
        for text, concepts in read_order(line, self._known):
            if not concepts:
                asked.append(Asked(text, None, self._by_words(text)))
            for concept in concepts:
                whole = self._answers(concept)
                members = [Asked(test.name, test, self._answers(test)) for test in as_tests(concept)]
                if concept.kind != "set" or not any(member.findings for member in members):
                    members = [Asked(text, concept, whole)] if whole or concept.kind != "set" else members
                asked += members
        return asked

    def ordered(self, lines: Iterable[str]) -> list[Finding]:
        """The findings that these lines of an order ask for, in their order, each once."""
        found = [finding for line in lines for asked in self.read(line) for finding in asked.findings]
        return list({finding.key: finding for finding in found}.values())

    def settles(self, line: str) -> bool:
        """Whether findings answer all that a line asks for, so that nothing is left to be made up."""
        asked = self.read(line)
        return bool(asked) and all(each.findings for each in asked)

    def same_as(self, finding: Finding) -> Finding | None:
        """The finding of this index that is the same test as another finding."""
        other = FindingIndex([finding])
        for each in self.findings:
            if each.kind == finding.kind and (self._names(each) & other._names(finding) or self._agrees(each, other)):
                return each
        return None

    def under_its_names(self, finding: Finding) -> Finding:
        """A finding under the key, the aliases and the system of the same test in this index, else as it is.

        Unit and reference range of the same test are added where they are missing.
        """
        same = self.same_as(finding)
        if same is None:
            return finding
        named = {"key": same.key, "aliases": same.aliases, "system": same.system}
        missing = {
            "unit": finding.unit or same.unit,
            "reference_range": finding.reference_range or same.reference_range,
        }
        return finding.model_copy(update=named | missing)

    def with_finding(self, finding: Finding) -> list[Finding]:
        """These findings with one more, which takes the place of the one that has the same key."""
        if all(each.key != finding.key for each in self.findings):
            return [*self.findings, finding]
        return [finding if each.key == finding.key else each for each in self.findings]

    def _names(self, finding: Finding) -> set[str]:
        return {joined(stems(name)) for name in (finding.key, *finding.aliases)}

    def _agrees(self, finding: Finding, other: FindingIndex) -> bool:
        """Whether the only finding of another index means the same in the catalogue; signs of one system never do."""
        return finding.kind != "exam" and bool(self._meanings[finding.key] & other._meanings[other.findings[0].key])

    def _answers(self, concept: Concept) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if self._is_answer(finding, concept))

    def _is_answer(self, finding: Finding, concept: Concept) -> bool:
        meanings = self._meanings[finding.key]
        match concept.kind:
            case "finding":
                same = self._meanings[concept.name] & meanings if finding.kind != "exam" else None
                return finding.key == concept.name or bool(same)
            case "vitals":
                return finding.kind == "vital"
            case "exam":
                return finding.kind == "exam" and (not concept.name or concept in meanings)
            case "image":
                return any(_same_image(concept, each) for each in meanings)
            case "test":
                sets = (each for each in meanings if each.kind == "set")
                return concept in meanings or any(concept in as_tests(each) for each in sets)
        return concept in meanings

    def _by_words(self, text: str) -> tuple[Finding, ...]:
        """The one finding whose name shares its words with an order, or has it as its initials."""
        words = [word for word in stems(text) if word not in IGNORED]
        found = [finding for finding in self.findings if words and _shares(words, finding)]
        return tuple(found) if len(found) == 1 else ()


def _meaning(name: str, finding: Finding) -> Sequence[Concept]:
    """What one name of a finding means in the catalogue."""
    if finding.kind == "exam":
        by_words = [concept for _, concepts in read_order(name) for concept in concepts if concept.kind == "exam"]
        return [Concept("exam", finding.system)] if finding.system else by_words
    if finding.kind == "vital":
        vital = vital_named(name)
        return [Concept("vital", vital.label)] if vital else []
    read = read_order(name)
    concepts = [concept for _, concepts in read for concept in concepts if concept.kind not in {"exam", "vitals"}]
    return concepts if len(concepts) == 1 else []


def _same_image(first: Concept, second: Concept) -> bool:
    if (first.kind, first.name) != (second.kind, second.name):
        return False
    return not first.regions or not second.regions or bool(first.regions & second.regions)


def _shares(words: list[str], finding: Finding) -> bool:
    for name in (finding.key, *finding.aliases):
        own = [word for word in stems(name) if word not in IGNORED]
        if len(words) == 1 and len(own) > 2 and words[0] == "".join(word[0] for word in own):
            return True
        read = {word if word in own else nearest(word, own) for word in words}
        known = read - {None}
        if None not in read and (len(known) > 1 or any(len(word) >= LONG for word in known if word)):
            return True
        if set(own) <= known and any(len(word) >= LONG for word in own):
            return True
    return False
