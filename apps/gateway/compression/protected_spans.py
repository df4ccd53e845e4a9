"""The spans of a text that must not be changed: code, quotations, numbers, addresses, markup, JSON and brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator

OPENING = "{["
CLOSING = {"{": "}", "[": "]"}
PROTECTED = re.compile(
    r"""
      ^[ ]{0,3}(?P<fence>`{3,}|~{3,})(?:.|\n)*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)   # fenced code, closed or not
    | ^(?:[ ]{4}|\t)[ \t]*\S.*$                                 # indented code
    | ^[ ]{0,3}>.*$                                             # quoted lines
    | (?P<ticks>`+)(?:.|\n)*?(?:(?<!`)(?P=ticks)(?!`)|\Z)       # code within a line
    | \$\$(?:.|\n)*?(?:\$\$|\Z)                                 # formulas
    | "[^"]*(?:"|\Z)                                            # quotations
    | “[^”]*(?:”|\Z) | „[^“”]*(?:[“”]|\Z) | «[^»]*(?:»|\Z) | \u2018[^\u2019]*(?:\u2019|\Z)
    | (?<!\w)'[^'\n]*(?:'(?!\w)|$)
    | <[A-Za-z/!?][^<>]*>                                       # markup
    | [{\[]                                                     # JSON, lists, links: up to the bracket that closes
    | (?<![^\s"'`])(?![=<>&](?:\s|\Z))                          # words with digits or signs: numbers, URLs, paths;
      [^\s"'`{\[]*[\d/\\_@\#=$%^*|~<>&+][^\s"'`{\[]*           # not a sign that stands alone
    """,
    re.VERBOSE | re.MULTILINE,
)
BRACKETS = re.compile(r'[{}\[\]]|"(?:[^"\\\n]|\\.)*(?:"|$)', re.MULTILINE)


def free_and_protected(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, in order and complete: `(piece, whether it is protected)`."""
    position = 0
    for start, end in _protected(text):
        if position < start:
            yield text[position:start], False
        yield text[start:end], True
        position = end
    if position < len(text):
        yield text[position:], False


def _protected(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    while match := PROTECTED.search(text, position):
        end = _closed(text, match.start()) if text[match.start()] in OPENING else match.end()
        yield match.start(), end
        position = end


def _closed(text: str, start: int) -> int:
    """After the bracket that closes the one at `start`; the end of the text when none does."""
    expected: list[str] = []
    for match in BRACKETS.finditer(text, start):
        sign = match[0]
        if sign in CLOSING:
            expected.append(CLOSING[sign])
        elif expected and sign == expected[-1]:
            expected.pop()
            if not expected:
                return match.end()
    return len(text)
