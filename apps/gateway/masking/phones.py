"""Finds telephone numbers, by the numbering plans of the library `phonenumbers`.

Its own matcher takes a third of a millisecond for each number that a text holds; here the plans are read once, and a
number is compared with their patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from apps.gateway.masking.numbers import FREE_AFTER, FREE_BEFORE, Number

Span = tuple[int, int]
BREAK = r"[ \n./()-]{1,4}"
INTERNATIONAL = re.compile(
    rf"(?=[+0]){FREE_BEFORE}(?<!\+)(?:\+[ (]{{0,2}}|00[ .-]?|011[ .-])"
    rf"(?P<number>[1-9]\d{{0,14}}(?:{BREAK}\d{{1,14}}){{0,8}}){FREE_AFTER}"
)
GROUP = re.compile(r"\d+")
MOST_DIGITS = 15
NATIONAL = range(7, 14)
NATIONAL_DIGITS = range(9, 14)
NORTH_AMERICAN = re.compile(
    rf"(?=[\d(]){FREE_BEFORE}(?<![.+-])(?:1[ .-])?(?:\(\d{{3}}\)[ -]?|\d{{3}}[ .-]{{1,2}})"
    rf"\d{{3}}[ .-]{{1,2}}\d{{4}}{FREE_AFTER}(?!-|\.\d)"
)
LEADING_ZERO = re.compile(
    rf"(?=[(0]){FREE_BEFORE}(?<![.+/-])(?:\(0[1-9]\d{{0,4}}\)|0[1-9]\d{{0,4}})(?:[ \n./-]{{1,3}}\d{{2,8}}){{1,5}}"
    rf"{FREE_AFTER}(?!-)"
)
DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}(?!\d)|\d{2}(?!\d|[./]\d|-\d\d-))|\d{4}([./-])\d{1,2}\1\d{1,2}(?!\d)"
    r"|0\d[ .-]\d\d:"
)
_NAMES = (
    r"(?:tele)?phone|telefono?|t[eé]l[eé]phone|t[eé]l|mobile?|mob|m[oó]vil|cell(?:ular\w*)?|celular|fax"
    r"|handy|whats ?app|sms|signal|telegram|hotline|rufnummer|handynummer|telefonnummer|puhelin|portable"
    r"|телефон\w*|тел|моб|फ़?ोन|मोबाइल"
)
_CALLS = r"(?:call|ring|text|dial|reach|phone)(?: (?:me|us|him|her|them|back))?(?: (?:at|on|under))?:? ?"
NAMED = re.compile(
    rf"(?:{FREE_BEFORE}(?:{_NAMES})(?!\w)[^\d\n]{{0,24}}|(?:电话|電話|手机|手機|携帯|전화|휴대폰|โทร)[^\d\n]{{0,8}}"
    rf"|{FREE_BEFORE}{_CALLS})\+?\(?$",
    re.IGNORECASE,
)
"""The end of a text after which a telephone number comes."""
_UNITS = (
    r"eur|usd|gbp|bytes?|[kmgt]i?b|ms|ns|µs|s|km|m|cm|mm|kg|g|mg|rows?|records?|users?|requests?|tokens?|items?|times|people"
    r"|persons?|seconds?|minutes?|hours?|days?|entries|lines?|points?|events?|files?|units?"
    r"|pieces|dollars?|euros?|million"
    r"|billion|inhabitants|patients|operations?|iterations?|bits?|objects?|messages?|characters?|words?|keys?|steps?"
    r"|samples?|years?|views?|hits?"
)
COUNTED = re.compile(rf" ?(?:[%€$£¥₹]|(?:{_UNITS})(?!\w))", re.IGNORECASE)
COUNTING = re.compile(
    r"(?:[#$€£¥₹§]|\b(?:id|order|invoice|ticket|case|sku|isbn|count|total|size|timestamp|port|bytes)\b[\s:.=#\"']*)$",
    re.I,
)
"""What is before or after a number without separators that counts or names something else."""
LIMITS = frozenset({"2147483647", "2147483648", "4294967295", "4294967296"})
"""Of numbers in computers, which look like telephone numbers."""
SHAPES = {
    (3, 2, 2, 2): ("ES", "SE", "FI"),
    (3, 3, 3): ("ES", "PL", "PT", "CZ"),
    (5, 5): ("IN",),
    (3, 4, 4): ("CN",),
    (2, 5, 4): ("BR",),
    (2, 4, 4): ("BR", "MX"),
    (3, 7): ("GR", "IT"),
    (3, 6): ("GR", "IT"),
    (1, 3, 3, 2, 2): ("RU", "KZ"),
    (1, 3, 3, 4): ("RU", "US"),
}
"""Writings without a leading zero that are hardly used for anything else, and where they are used."""
PHONE_SHAPES = frozenset(SHAPES)


def phones_in(text: str) -> Iterator[Span]:
    """Where telephone numbers are that are recognised by their writing alone."""
    position = 0
    while match := INTERNATIONAL.search(text, position):
        end = _international_end(text, match)
        if end is not None:
            yield match.start(), end
        position = end or match.end()
    for match in NORTH_AMERICAN.finditer(text):
        yield match.span()
    position = 0
    while match := LEADING_ZERO.search(text, position):
        end = None if DATE.match(match[0]) or _is_thousands(match) else _national_end(match)
        if end is not None:
            yield match.start(), end
        position = end or match.end()


def is_phone(number: Number) -> bool:
    """Whether digits without a plus sign are a telephone number: by their name, or by a plan that has them."""
    digits, shape = number.digits, number.shape
    if len(digits) not in NATIONAL or digits in LIMITS or DATE.match(number.written):
        return False
    if COUNTED.match(number.text, number.end):
        return False
    if number.is_first and NAMED.search(number.before) and "." not in number.written[:4]:
        return True
    if len(shape) == 1:
        return _is_bare_phone(digits) and COUNTING.search(number.before) is None
    return number.is_whole and any(_has(region, digits) for region in _regions_of(number))


def is_opened(number: Number) -> bool:
    """Whether the bracket before it is its own."""
    return number.written.count(")") > number.written.count("(") and number.before.endswith("(")


def _regions_of(number: Number) -> tuple[str, ...]:
    """The countries in which a number is written so."""
    if number.shape == (3, 3, 3) and "-" not in number.written:  # thousands
        return ()
    return SHAPES.get(number.shape, ())


def _is_bare_phone(digits: str) -> bool:
    if digits[0] == "0":
        return len(digits) in range(9, 13) and digits[1] != "0"
    return len(digits) == 10 and digits[0] in "23456789" and _has("US", digits)


def _has(region: str, digits: str) -> bool:
    """Whether a region's plan has this number, with or without the digit that is dialled before it."""
    patterns, _, prefix = _plan(region)
    return any(patterns.fullmatch(each) for each in {digits, digits.removeprefix(prefix or "-")})


def _international_end(text: str, match: re.Match[str]) -> int | None:
    """The end of the longest number that the plan of its country has; else of the longest that is possible there."""
    digits, possible = "", None
    ends: list[tuple[str, int]] = []
    for group in GROUP.finditer(text, match.start("number"), match.end()):
        if group[0] != "0" or text[group.start() - 1 : group.end() + 1] != "(0)" or not digits:
            digits += group[0]
        if len(digits) > MOST_DIGITS:
            break
        ends.append((digits, group.end()))
    for digits, end in reversed(ends):
        for region in _countries(digits):
            national = digits[len(region[0]) :]
            patterns, lengths, _ = _plan(region[1])
            if patterns.fullmatch(national):
                return end
            if possible is None and len(national) in lengths:
                possible = end
    return possible


def _countries(digits: str) -> Iterator[tuple[str, str]]:
    """The calling code at the beginning of an international number, with each of its regions."""
    for length in (1, 2, 3):
        for region in COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]), ()) if len(digits) > length else ():
            yield digits[:length], region


def _is_thousands(match: re.Match[str]) -> bool:
    """Whether it is the end of a large number."""
    groups = GROUP.findall(match[0])
    return {len(group) for group in groups} == {3} and match.string[
        max(0, match.start() - 2) : match.start() - 1
    ].isdigit()


def _national_end(match: re.Match[str]) -> int | None:
    """Other numbers may follow: it ends with the last group that keeps it short enough."""
    digits, end = 0, None
    for group in GROUP.finditer(match[0]):
        digits += len(group[0])
        if digits in NATIONAL_DIGITS and (end is None or "\n" not in match[0][: group.end()]):
            end = match.start() + group.end()
    return end


@cache
def _plan(region: str) -> tuple[re.Pattern[str], frozenset[int], str]:
    """Which national numbers a region has, their possible lengths, and the digits that are dialled before them."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return re.compile("(?!)"), frozenset(), ""
    kinds = (metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate, metadata.voip)
    more = (metadata.shared_cost, metadata.personal_number, metadata.uan)
    patterns = {kind.national_number_pattern for kind in (*kinds, *more) if kind and kind.national_number_pattern}
    lengths = frozenset(metadata.general_desc.possible_length)
    return re.compile("|".join(sorted(patterns)) or "(?!)"), lengths, metadata.national_prefix or ""
