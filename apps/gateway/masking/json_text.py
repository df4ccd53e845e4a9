"""Texts that are JSON themselves, as a function's arguments are: their numbers, and what their escapes stand for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from apps.gateway.masking.detectors import Found

STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
SPACE = r"(?:\s|\\+[nrt])*"
BEFORE = re.compile(rf'(?:(?P<field>\\*)"{SPACE}:{SPACE}|\[(?:[\d\s,.-]|\\+[nrt])*)$')
AFTER = re.compile(rf"{SPACE}[,\]}}]")
QUOTE = re.compile(r'\\*"')
NEAR = 100
"""Characters around a number that are looked at."""


def is_json_text(text: str) -> bool:
    """Whether a text is an object or a list in JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class NumberPlace:
    """Where a number of JSON ends, and the quotation mark that makes a text of it there."""

    end: int
    quote: str


def number_places(text: str, found: list[Found], *, is_json: bool) -> dict[int, NumberPlace]:
    """The numbers of JSON that were found, by where they begin; in prose, and in a text within JSON, what stands like
    one in an object or a list."""
    strings = STRING.finditer(text) if is_json else iter(())
    places: dict[int, NumberPlace] = {}
    string = next(strings, None)
    for each in found:
        while string is not None and string.end() <= each.start:
            string = next(strings, None)
        within = string is not None and string.start() < each.start
        number = NUMBER.match(text, each.start)
        if number is None or not text[each.start : each.end].isdigit():
            continue
        if is_json and not within:
            places[each.start] = NumberPlace(number.end() if text[max(0, each.start - 1)] != "-" else -1, '"')
        elif (quote := _quote_of_field(text, each)) is not None:
            places[each.start] = NumberPlace(each.end, quote if not within or "\\" in quote else '\\"')
    return places


def _quote_of_field(text: str, found: Found) -> str | None:
    """The quotation marks of the object or list that a number is in; None when it is in none."""
    near = text[max(0, found.start - NEAR) : found.start]
    before = BEFORE.search(near)
    if before is None or AFTER.match(text[found.end : found.end + NEAR]) is None:
        return None
    if before["field"] is not None:
        return before["field"] + '"'
    return next(reversed(QUOTE.findall(near[: before.start()])), '"')


def written_value(value: str) -> str:
    """What a piece of a JSON text stands for, its escapes resolved."""
    if "\\" not in value:
        return value
    try:
        meant: str = json.loads(f'"{value}"', strict=False)
    except ValueError:
        return value
    return meant


def quoted_value(value: str) -> str:
    """A value as it stands within a text in JSON."""
    return json.dumps(value, ensure_ascii=False)[1:-1]
