"""What can be read from an idea: its sentences, what it is about, and whether it touches on people's data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestration.providers.simulator.prompt_reader import Material

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
NOUN_PHRASE = re.compile(r"(?i)\b(?P<article>an?|the)\s+(?P<rest>[^.,;:!?]{3,70})")
LEAD = re.compile(
    r"(?i)^(?:(?:i|we|you|they|let's|let us)\s+)?"
    r"(?:(?:want|need|plan|should|could|would like|propose|going)\s+(?:to\s+)?)*"
    r"(?:build|create|make|offer|introduce|develop|write|have|start|launch)\s+"
)
SENSITIVE = re.compile(
    r"(?i)\b(patient|health|medic|clinic|doctor|payment|pay|card|bank|password|child|pupil|student|location|address"
    r"|personal|photo|message|e-?mail|identity|insur|salar|employee)"
)
PROTECTED = re.compile(r"(?i)\b(encrypt|consent|anonym|access control|role-based|audit|pseudonym|gdpr|privacy)")
LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class Idea:
    """An idea, read. `topic` names it within a sentence: `a shared calendar for choirs`."""

    sentences: list[str]
    topic: str
    is_sensitive: bool
    is_protected: bool

    @property
    def title(self) -> str:
        words = LEAD.sub("", self.sentences[0]).rstrip(".!?").strip()
        title = words if len(words) <= LONGEST_TITLE else f"{words[:LONGEST_TITLE].rsplit(' ', 1)[0]}…"
        return title[:1].upper() + title[1:]

    @property
    def features(self) -> list[str]:
        """What is said after the first sentence."""
        return self.sentences[1:]


def read_idea(material: Material) -> Idea | None:
    """The idea of a prompt; None when it has none."""
    text = block_of(material, "idea")
    sentences = [" ".join(part.split()) for part in SENTENCE.split(text) if part.strip()]
    if not sentences:
        return None
    told = f"{text}\n{block_of(material, 'extra_context')}"
    return Idea(
        sentences=[part if part[-1] in ".!?" else f"{part}." for part in sentences],
        topic=_topic(sentences[0]),
        is_sensitive=SENSITIVE.search(told) is not None,
        is_protected=PROTECTED.search(told + block_of(material, "proposal")) is not None,
    )


def block_of(material: Material, label: str) -> str:
    """The text between the tags `label` of a prompt; empty when it has none."""
    return next((block.text for block in (*material.blocks, *material.asked) if block.label == label), "")


def _topic(sentence: str) -> str:
    found = NOUN_PHRASE.search(sentence)
    if found is None:
        return "this idea"
    rest = re.split(r"\b(?:that|which|who|so that|because|and)\b", found["rest"])[0].strip()
    return f"{found['article'].lower()} {rest}" if rest else "this idea"
