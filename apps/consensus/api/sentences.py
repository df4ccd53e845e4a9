"""How many sentences a text has."""

from __future__ import annotations

import re
from typing import Any

import regex

MAX_SENTENCES = 10

TITLES = frozenset("dr mr mrs ms prof st jr sr fig vol sec ch pp approx inc ltd corp dept est gen rev".split())
"""Abbreviations that something always follows."""
COUNTED = frozenset("no nos nr art".split())
"""Abbreviations before a number, and words otherwise."""
COUNT = re.compile(r"\s*(?:\d|[IVXLC]+\b)")
MIDDLE = frozenset("e.g i.e vs cf ca al viz resp incl excl".split())
ENDERS = frozenset("etc a.m p.m u.s u.k u.n e.u ph.d b.c a.d".split())
"""Abbreviations that may end a sentence: they do when a capital letter follows."""
BULLET = r"[-*+•‣◦·▪●○▸►→✓✔\u2013\u2014]"
NUMBERING = r"[(\uff08]?(?:(?:\d{1,3}[.\uff0e])*\d{1,3}|[A-Za-z]|[ivxlIVXL]{1,7})"
MARKER = re.compile(
    rf"^[ \t>]*(?:(?:{BULLET}[ \t]+|{NUMBERING}(?:[.)]{{1,2}}[ \t]+|[\uff0e\uff09\u3001][ \t]*))(?:\[[ xX]\][ \t]+)?)+",
    re.MULTILINE,
)
"""Bullets and numbers at the start of a line, with a box to tick, and one in the other."""
NUMBERED = regex.compile(
    r"""(?: (?P<line>^[ \t>]*) | (?<=[\w\p{P}])[ \t]+ | (?<=[\u3002\uff1a\uff1b\uff0c\u3001\uff01\uff1f]) )
        [(\uff08]?(?P<number>\d{1,3})(?:[.)]{1,2}[ \t]+|[\uff0e\uff09\u3001][ \t]*)(?!\d)""",
    regex.V1 | regex.VERBOSE | regex.MULTILINE,
)
"""What may be the number of an item: at the start of a line, after a space, or after a mark that needs no space."""
END = regex.compile(
    r"""(?<![.!?…])(?:
        [.!?…]++ [\"'”\u2019»)\]]* (?=\s|$)
        | [.!?…]*+ (?!(?<=\d)\uff0e\d) (?P<other>[\p{Sentence_Terminal}--[.!?]]) [\p{Sentence_Terminal}…]*
    )""",
    regex.V1 | regex.VERBOSE,
)
"""A full stop: one of ASCII before a space, one of any other script anywhere but in a number."""
WORD_BEFORE = re.compile(r"(?:^|[\s(\[\"'“\u2018«])([^\s(\[\"'“\u2018«]*)$")


def count_sentences(text: str) -> int:
    """How many sentences a text has; text after the last full stop counts as one.

    Abbreviations (`e.g.`, `Dr.`, `U.S.`), initials, numbers (`3.5`) and list markers (`1.`, `a)`, `-`) end nothing,
    the markers of a list within a line included, as they count up from 1.
    """
    body = MARKER.sub(" ", without_numbering(text))
    count = start = 0
    for match in END.finditer(body):
        if ends_sentence(body, match):
            count += has_word(body[start : match.end()])
            start = match.end()
    return count + has_word(body[start:])


def without_numbering(text: str) -> str:
    """A text without the numbers of its lists: those at the start of a line, a 1 that stands after punctuation or that
    a 2 follows, then each number that follows the one before."""
    last = 0
    is_list = {1, 2} <= {int(match["number"]) for match in NUMBERED.finditer(text)}

    def kept(match: Any) -> str:
        nonlocal last
        number = int(match["number"])
        begins = match["line"] is not None
        begins |= number == 1 and (is_list or not text[max(0, match.start() - 1) : match.start()].isalnum())
        if not begins and (not last or number != last + 1):
            return str(match[0])
        last = number
        return " "

    return str(NUMBERED.sub(kept, text))


def ends_sentence(body: str, match: Any) -> bool:
    """Whether a full stop (a match of END) ends a sentence, by what stands before and after it."""
    if match["other"]:
        return True
    if not match[0].startswith(".") or match[0].startswith(".."):
        return not match[0].startswith(("..", "…")) or starts_anew(body[match.end() :])
    before = WORD_BEFORE.search(body[max(0, match.start() - 32) : match.start()])
    word = before[1].lower() if before else ""
    if word in TITLES or word in MIDDLE:
        return False
    if word in COUNTED:
        return COUNT.match(body, match.end()) is None
    if word in ENDERS or (len(word) == 1 and word.isalpha()):
        return word in ENDERS and starts_anew(body[match.end() :])
    return True


def starts_anew(rest: str) -> bool:
    """Whether a capital letter, or nothing, follows."""
    following = rest.lstrip(" \t\r\n\"'“\u2018«([")
    return not following or following[0].isupper()


def has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
