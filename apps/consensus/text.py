"""What a model wrote, and how many sentences a text has."""

from __future__ import annotations

import re

from orchestration.plain_text import without_controls

MAX_SENTENCES = 10

TITLES = frozenset(
    "dr mr mrs ms prof st jr sr fig no vol nr art sec ch pp approx inc ltd corp dept est gen rev".split()
)
"""Abbreviations that something always follows."""
MIDDLE = frozenset("e.g i.e vs cf ca al viz resp incl excl".split())
ENDERS = frozenset("etc a.m p.m u.s u.k u.n e.u ph.d b.c a.d".split())
"""Abbreviations that may end a sentence: they do when a capital letter follows."""
MARKER = re.compile(r"^[ \t]*(?:[-*+•‣◦\u2013\u2014]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})[.)])[ \t]+", re.MULTILINE)
END = re.compile(r"[.!?…\u3002\uff01\uff1f]+[\"'”\u2019»)\]]*(?=\s|$)|[\u3002\uff01\uff1f]+")
WORD_BEFORE = re.compile(r"(?:^|[\s(\[\"'“\u2018«])([^\s(\[\"'“\u2018«]*)$")


def spoken(value: str) -> str:
    """What a model wrote, without control characters; ValueError when nothing is left."""
    kept = without_controls(value).strip()
    if not kept:
        raise ValueError("must not be blank")
    return kept


def count_sentences(text: str) -> int:
    """How many sentences a text has; what comes after the last full stop counts as one.

    Abbreviations (`e.g.`, `Dr.`, `U.S.`), initials, numbers (`3.5`) and list markers (`1.`, `a)`, `-`) end nothing.
    """
    body = MARKER.sub(" ", text)
    count = start = 0
    for match in END.finditer(body):
        if ends_sentence(body, match) and has_word(body[start : match.end()]):
            count += 1
            start = match.end()
    return count + has_word(body[start:])


def ends_sentence(body: str, match: re.Match[str]) -> bool:
    if not match[0].startswith(".") or match[0].startswith(".."):
        return not match[0].startswith(("..", "…")) or starts_anew(body[match.end() :])
    before = WORD_BEFORE.search(body[max(0, match.start() - 32) : match.start()])
    word = before[1].lower() if before else ""
    if word in TITLES or word in MIDDLE:
        return False
    if word in ENDERS or (len(word) == 1 and word.isalpha()):
        return word in ENDERS and starts_anew(body[match.end() :])
    return True


def starts_anew(rest: str) -> bool:
    """Whether a capital letter, or nothing, follows."""
    following = rest.lstrip(" \t\r\n\"'“\u2018«([")
    return not following or following[0].isupper()


def has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
