"""Where a text holds personal data: e-mail addresses, IBANs, cards, social security numbers, IP addresses, phones.

What has a check digit is checked, so that other numbers stay readable. Nothing that is found holds a sign that JSON
escapes: it can be put back into an answer's bytes wherever it stood in them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was found; the earlier ones are looked for first."""

    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    SSN = "SSN"
    IP = "IP"
    PHONE = "PHONE"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """`text[start:end]` is personal data."""

    start: int
    end: int
    kind: Kind


EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,10}[^\W\d_]{2,63}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z\d]){11,60}")
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA",
        23: "AE GI IL IQ TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
CARD = re.compile(r"(?<![\w.])(?=\d(?:[ -]?\d){12})\d{2,}(?:[ -]\d{2,})*(?!\w)")
CARD_DIGITS = range(13, 20)
DOUBLED = str.maketrans("0123456789", "0246813579")
"""Digits twice, and the digits of that added up."""
SSN = re.compile(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
IPV6 = re.compile(r"(?<![\w:.])(?=[^\W_:]*:[^\W_:]*:)[\dA-Fa-f:]{3,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
PHONES = (
    re.compile(  # international
        r"(?<![\w+])(?:\+|00)[1-9]\d{0,14}(?:[ ./-]{0,2}\(\d{1,5}\)\d{0,12}|[ ./-]{1,2}\d{1,12}){0,6}(?!\w)"
    ),
    re.compile(r"(?<![\w.+-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"),  # North America
    re.compile(r"(?<![\w.+-])[2-9]\d{2}[2-9]\d{6}(?![\w-])"),  # the same, without a break
    re.compile(
        r"(?<![\w.+-])(?:\(0\d{1,5}\)|0\d{1,5})(?:[ ./-]{1,3}\d{2,8}){1,5}(?![\w-])"
    ),  # national, with a leading zero
    re.compile(r"(?<![\w.+-])0[1-9]\d{8,10}(?![\w-])"),
)
PHONE_DIGITS = range(9, 16)
DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})(?!\d)")


def find_personal(text: str) -> list[Found]:
    """What is personal in a text, in order and without overlaps."""
    found: list[Found] = []
    taken = bytearray(len(text))
    for kind, finder in FINDERS.items():
        for start, end in finder(text):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append(Found(start, end, kind))
    return sorted(found)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    if "@" in text:
        yield from (match.span() for match in EMAIL.finditer(text))


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    """The match may run on into the words behind; the country says how long the number is."""
    position = 0
    while match := IBAN.search(text, position):
        end = _iban_end(match)
        if end is not None:
            yield match.start(), end
        position = end or match.start() + 1


def _iban_end(match: re.Match[str]) -> int | None:
    length = IBAN_LENGTHS.get(match[0][:2].upper())
    places = [place for place, sign in enumerate(match[0]) if sign.isalnum()]
    if length is None or len(places) < length:
        return None
    end = places[length - 1] + 1
    if match[0][end : end + 1].isalnum():
        return None
    number = "".join(match[0][place] for place in places[:length])
    as_digits = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])
    return match.start() + end if int(as_digits) % 97 == 1 else None


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in CARD.finditer(text):
        groups = [(match.start() + run.start(), match.end() + run.start()) for match in re.finditer(r"\d+", run[0])]
        first = 0
        while first < len(groups):
            last = _card_from(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1]
            first = first + 1 if last is None else last + 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with group `first`."""
    digits, found = "", None
    for last in range(first, len(groups)):
        digits += text[slice(*groups[last])]
        if len(digits) >= CARD_DIGITS.stop:
            break
        if len(digits) in CARD_DIGITS and _luhn(digits):
            found = last
    return found


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(DOUBLED)))
    return total % 10 == 0 and len(set(digits)) > 1


def _ssns(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in SSN.finditer(text))


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for match in (*IPV4.finditer(text), *(IPV6.finditer(text) if ":" in text else ())):
        end = match.end() - (match[0].endswith(":") and not match[0].endswith("::"))
        if any(sign.isdigit() for sign in match[0]) and is_ip(text[match.start() : end]):
            yield match.start(), end


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern in PHONES:
        position = 0
        while match := pattern.search(text, position):
            end = _phone_end(match)
            if end is not None:
                yield match.start(), end
            position = end or match.end()


def _phone_end(match: re.Match[str]) -> int | None:
    """Numbers may stand behind a phone number: it ends with the last group that leaves it short enough."""
    digits, end = 0, None
    for group in re.finditer(r"\d+\)?", match[0]):
        digits += len(group[0].rstrip(")"))
        if digits in PHONE_DIGITS:
            end = match.start() + group.end()
    return None if DATE.match(match[0]) else end


FINDERS: dict[Kind, Callable[[str], Iterator[tuple[int, int]]]] = {
    Kind.EMAIL: _emails,
    Kind.IBAN: _ibans,
    Kind.CARD: _cards,
    Kind.SSN: _ssns,
    Kind.IP: _ips,
    Kind.PHONE: _phones,
}
