"""Makes a text plain before it is searched: one kind of space, hyphen, dot and digit, without invisible signs.

What is found is given back by its place in the text as it came, so that it is restored with its own signs.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

ZEROS = (
    *(0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6),
    *(0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6),
)
"""The digits nought of other scripts; nine more follow each."""
SIGNS = {
    " ": "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\r\v\f\x85\u2028\u2029",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63",
    ".": "\u00b7\u2022\u2024\u2027\u2219\u22c5\u30fb\ufe52\uff65",
    "/": "\u2044\u2215",
    "@": "\ufe6b",
    "+": "\ufe62",
    "'": "\u2019",
}
PLAIN = (
    {ord(other): sign for sign, others in SIGNS.items() for other in others}
    | {zero + digit: str(digit) for zero in ZEROS for digit in range(10)}
    | {wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
)
"""One character for one, so that places stay the same."""
LONGER = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20e3\ufe00-\ufe0f\ufeff]"
    r'|(?P<escape>(?<!\\)\\++(?:u(?P<code>[\dA-Fa-f]{4})|(?P<letter>[nrt"])))'
    r"|%(?P<percent>0[9AaDd]|2[0-9A-Fa-f])"
    r"|(?P<entity>&(?:#\d{2,5}|#[xX][\dA-Fa-f]{2,4}|[A-Za-z]{2,8});)"
)
"""What has another length in plain text: signs that nobody sees, and the escapes of JSON, however deep they are quoted,
of addresses, and of HTML."""
LETTERS = {"n": "\n", "r": "\n", "t": " ", '"': '"'}
ESCAPES = ("\\", "%", "&")


@dataclass(frozen=True, slots=True)
class PlainText:
    """`text` is what is searched; `span` says where something is in the text as it came."""

    text: str
    _starts: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)

    def span(self, start: int, end: int) -> tuple[int, int]:
        return (self._starts[start], self._ends[end - 1]) if self._starts else (start, end)


def plain_text(text: str) -> PlainText:
    """The text as it is searched, in time linear in its length."""
    is_ascii = text.isascii()
    if (is_ascii and not any(sign in text for sign in ESCAPES)) or LONGER.search(text) is None:
        is_plain = is_ascii and "\t" not in text and "\r" not in text
        return PlainText(text if is_plain else text.translate(PLAIN))
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for match in LONGER.finditer(text):
        _keep(text, position, match.start(), parts, starts, ends)
        position = match.end()
        sign = _sign(match)
        if LONGER.match(sign) is None:
            parts.append(sign)
            starts.append(match.start())
            ends.append(match.end())
    _keep(text, position, len(text), parts, starts, ends)
    return PlainText("".join(parts).translate(PLAIN), starts, ends)


def _sign(match: re.Match[str]) -> str:
    """What an escape stands for: one character, or one of those that nobody sees."""
    if match["letter"]:
        return LETTERS[match["letter"]]
    if match["entity"]:
        meant = html.unescape(match["entity"])
        return meant if len(meant) == 1 else "&"
    return chr(int(match["code"] or match["percent"] or "ad", 16))


def _keep(text: str, start: int, end: int, parts: list[str], starts: list[int], ends: list[int]) -> None:
    parts.append(text[start:end])
    starts.extend(range(start, end))
    ends.extend(range(start + 1, end + 1))
