"""English for the simulator: sentences, and texts turned into the first person."""

from __future__ import annotations

import re

WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|\d+")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|;\s+")
MINE = {"you": "I", "your": "my", "yours": "mine", "yourself": "myself"}
THEIRS = {"he": "I", "she": "I", "his": "my", "her": "my", "him": "me", "himself": "myself", "herself": "myself"}
VERBS = {"is": "am", "are": "am", "has": "have", "does": "do", "goes": "go", "were": "was", "isn't": "am not"}
DONE = (
    "studies|sits|walks|drives|gets|starts|stands|lies|rides|reads|calls|tries|needs|plays|runs|has|is|does|goes|works|feels"
    "|takes|lives|smokes|drinks|sleeps|eats|looks|coughs|wants|thinks|knows|sees"
)
"""Verbs that continue a sentence after `and`; the nouns look the same."""
AFTER_OBJECT = (
    "about after against around at before behind beside bother bothers by for from in makes near of on over to under "
    "wakes with".split()
)  # fmt: skip

ASSESSED = re.compile(r"([A-Za-z][a-z]+s)(?= [a-z])(?! (?:and|or|is|are|was|were|[a-z]+ed)\b)")
"""How a criterion begins that says what somebody does."""
DOES = "asks|tells|says|explains|gives|makes|takes|names|checks|orders|examines|measures|listens|offers|agrees"
SELVES = re.compile(r"\b(?:herself or himself|himself or herself|him- or herself|himself|herself|themselves)\b")
AFTER_ME = "here there is are was and but to with when while because again up".split()
"""Before these, `her` is not a possessive."""


def sentences(text: str) -> list[str]:
    """Its sentences, each with an end."""
    parts = (" ".join(part.split()) for part in SENTENCE.split(text))
    return [part if part[-1] in ".!?" else f"{part}." for part in parts if WORD.search(part)]


def as_mine(text: str) -> str:
    """Text to `you`, said by the one it is about."""
    text = re.sub(r"(?i)\byou(?:'re| are)\b", "I am", text)
    text = re.sub(r"(?i)\byou were\b", "I was", text)
    text = re.sub(r"(?i)\byou(?:'ve)\b", "I have", text)
    text = re.sub(rf"(?i)\b({'|'.join(AFTER_OBJECT)}) you\b", r"\1 me", text)
    text = re.sub(r"(?i)\b([a-z]{2,}s) you\b(?! (?:have|had|can|could|do|did|will))", r"\1 me", text)
    return _replaced(text, MINE)


def as_own_story(text: str, names: tuple[str, ...] = ()) -> str:
    """A sentence about one (`names`, he or she) or to one, told in the first person."""
    own = as_mine(text)
    for name in filter(None, names):
        own = re.sub(rf"(?i)\b(?:the )?{re.escape(name)}'s\b", "my", own)
        own = re.sub(rf"(?i)\b(?:the )?{re.escape(name)}\b", "I", own)
    own = re.sub(rf"(?i)\b({'|'.join(AFTER_OBJECT)}|found|brought|called) (?:her|him)\b(?! [a-z])", r"\1 me", own)
    own = re.sub(rf"(?i)\b(?:her|him) ({'|'.join(AFTER_ME)})\b", r"me \1", own)
    own = _replaced(own, THEIRS)
    own = re.sub(r"\bI (also |often |never |always |still |only )?([a-z']+)\b", _conjugated, own)
    if own.startswith("I "):
        own = re.sub(rf"\b(and|but|or) ({DONE})\b", lambda match: f"{match[1]} {_plain(match[2])}", own)
    return own[:1].upper() + own[1:]


def as_advice(criterion: str) -> str:
    """What to do, from what is assessed: `Asks about fever` → `Ask about fever.`; of other forms a reminder."""
    text = criterion.strip().rstrip(".")
    begin = ASSESSED.match(text)
    if begin is None or _plain(begin[1].lower()) == begin[1].lower():
        return f"Think of this: {text[:1].lower()}{text[1:]}." if text else ""
    told = f"{_plain(begin[1].lower())}{text[begin.end(1) :]}"
    told = re.sub(rf"\b(and|or) ({DOES})\b", lambda match: f"{match[1]} {_plain(match[2])}", told)
    return f"{SELVES.sub('yourself', told[:1].upper() + told[1:])}."


def _replaced(text: str, words: dict[str, str]) -> str:
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.I)
    return pattern.sub(lambda match: words[match[1].lower()], text)


def _conjugated(match: re.Match[str]) -> str:
    return f"I {match[1] or ''}{_plain(match[2])}"


def _plain(verb: str) -> str:
    """`works` → `work`, `has` → `have`; verbs in the past tense stay."""
    if verb in VERBS:
        return VERBS[verb]
    if len(verb) < 4 or not verb.endswith("s") or verb.endswith(("ss", "us", "'s")):
        return verb
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if verb.endswith(("shes", "ches", "sses", "xes")) else verb[:-1]
