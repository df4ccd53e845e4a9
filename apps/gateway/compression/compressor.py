"""Compresses one text: the form with the fewest tokens up to a level, or the text itself.

`low` tidies white space, which is not reversible and changes no word. `medium` and `high` shorten known phrases;
`expand` reverses that, and a short form is used only when it expands to the very same text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from apps.gateway.compression.protected_spans import free_and_protected
from apps.gateway.compression.rules import ABBREVIATIONS, SYMBOLS, Rule, lengthening, shortening
from apps.gateway.metering import token_count

BLANKS_AT_THE_END = re.compile(r"(?<![ \t])[ \t]+(?=\r?\n)")
BLANKS_WITHIN = re.compile(r"(?<=\S)[ \t]{2,}")
EMPTY_LINES = re.compile(r"\n{3,}")
LONGEST = 200_000
"""Characters; a longer text is left alone: the rules would delay a request by seconds."""


class Level(StrEnum):
    """How much is done to a text; each level includes the ones before."""

    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


RULES: dict[Level, tuple[Rule, ...]] = {
    Level.LOW: (),
    Level.MEDIUM: ABBREVIATIONS,
    Level.HIGH: (*ABBREVIATIONS, *SYMBOLS),
}


@dataclass(frozen=True, slots=True)
class Compressed:
    """A text as it is sent. `level` is what was applied: OFF when nothing saved a token."""

    text: str
    level: Level
    rules: tuple[Rule, ...]
    """The rules that were used; `expand` needs them."""
    before: int
    after: int
    """Tokens, never more than `before`."""
    estimated: bool
    """Whether the tokens were estimated, because the model's tokenizer is not available."""

    @property
    def saved(self) -> int:
        return self.before - self.after


def compress(text: str, level: Level, model: str = "") -> Compressed:
    """The form of `text` with the fewest tokens for `model` among the levels up to `level`."""
    count = token_count.count(text, model)
    best = Compressed(text, Level.OFF, (), count.tokens, count.tokens, count.estimated)
    for tried in _up_to(level) if len(text) <= LONGEST else ():
        short, used = shortened(text, tried)
        after = token_count.count(short, model).tokens if short != best.text else best.after
        if after < best.after:
            best = Compressed(short, tried, used, count.tokens, after, count.estimated)
    return best


def expand(text: str, rules: tuple[Rule, ...]) -> str:
    """Reverse the rules: the text as `tidy` left it."""
    return _rewritten(text, *lengthening(rules)) if rules else text


def shortened(text: str, level: Level) -> tuple[str, tuple[Rule, ...]]:
    """The text after one level's rules, and those it used; no rules when they are not reversible here."""
    tidied = tidy(text)
    rules = RULES[level]
    phrases, shorts = _found(tidied, shortening(rules)), _found(tidied, lengthening(rules))
    used = tuple(rule for rule in rules if rule.phrase in phrases and rule.short not in shorts)
    if not used:
        return tidied, ()
    short = _rewritten(tidied, *shortening(used))
    if expand(short, used) != tidied or protected(short) != protected(tidied):
        return tidied, ()
    return short, used


def tidy(text: str) -> str:
    """Without blanks at line ends, double blanks and rows of empty lines; what is protected stays as it is."""
    tidied = "".join(piece if kept else _tidied(piece) for piece, kept in free_and_protected(text))
    return tidied if protected(tidied) == protected(text) else text


def protected(text: str) -> list[str]:
    return [piece for piece, kept in free_and_protected(text) if kept]


def _up_to(level: Level) -> list[Level]:
    levels = list(Level)
    return levels[1 : levels.index(level) + 1]


def _tidied(piece: str) -> str:
    return EMPTY_LINES.sub("\n\n", BLANKS_WITHIN.sub(" ", BLANKS_AT_THE_END.sub("", piece)))


def _found(text: str, words: tuple[re.Pattern[str], dict[str, str]]) -> set[str]:
    """The phrases, or short forms, that occur; a rule whose short form occurs by itself is not reversible."""
    return {word for piece, kept in free_and_protected(text) if not kept for word in words[0].findall(piece)}


def _rewritten(text: str, pattern: re.Pattern[str], words: dict[str, str]) -> str:
    return "".join(
        piece if kept else pattern.sub(lambda match: words[match[0]], piece) for piece, kept in free_and_protected(text)
    )
