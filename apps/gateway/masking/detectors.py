"""Finds personal data in a text. Which kinds are promised, and in what writing, is a table in the docs.

Check digits and numbering plans are looked at, so that other numbers stay readable.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import cast

from django.utils.module_loading import import_string
from stdnum import iban, luhn, numdb

from apps.gateway.masking.national_ids import ID_SHAPES, is_national_id, letter_ids, lettered_ids
from apps.gateway.masking.numbers import (
    CJK,
    DENSE,
    DIGIT,
    FREE_AFTER,
    FREE_BEFORE,
    Number,
    begins,
    islands_in,
    numbers_in,
)
from apps.gateway.masking.phones import PHONE_SHAPES, is_opened, is_phone, phones_in
from apps.gateway.masking.plain_text import plain_text
from apps.gateway.masking.secrets import secrets_in
from apps.gateway.masking.terms import terms_in

Span = tuple[int, int]


class Kind(StrEnum):
    """What was found; the earlier ones are looked for first."""

    SECRET = "SECRET"  # noqa: S105  # the name of a kind
    EMAIL = "EMAIL"
    NAME = "NAME"
    ADDRESS = "ADDRESS"
    IBAN = "IBAN"
    CARD = "CARD"
    SSN = "SSN"
    ID = "ID"
    IP = "IP"
    PHONE = "PHONE"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """`text[start:end]` is personal data."""

    start: int
    end: int
    kind: Kind


LETTER = rf"[^\W{CJK}]"
LOCAL = rf"(?:{FREE_BEFORE}(?<![.%+-])(?:{LETTER}|[%+-])(?:{LETTER}|[.%+'~-]){{0,63}}|(?<![\w.%+-])[{CJK}]{{1,64}})"
"""The part before the sign; it has no letters of a script without spaces beside others, which begin another word."""
DOMAIN = r"(?:[\w-]{1,63}\.){1,10}(?:xn--[\w-]{2,59}|[^\W\d_]{2,63})(?![\w-])"
AT = re.compile(r"[(\[]at[)\]]", re.IGNORECASE)
EMAIL = re.compile(rf"{LOCAL}(?:@|%40| ?[(\[]at[)\]] ?){DOMAIN}", re.IGNORECASE)
OPAQUE = re.compile(r"(?<![\w-])[\dA-Fa-f]{8}-[\dA-Fa-f]{4}-[\dA-Fa-f]{4}-[\dA-Fa-f]{4}-[\dA-Fa-f]{12}(?![\w-])")
"""Universally unique identifiers, whose digits mean nothing."""
HYPHENS = 4
"""In each of them."""
IBAN = re.compile(rf"{begins('[A-Za-z]')}[A-Za-z][ -]{{0,2}}\d[ ]?\d(?:[ \n.-]{{0,3}}[A-Za-z\d]){{11,60}}")
IBAN_DIGITS = re.compile(r"\d ?\d(?:[ \n.-]{0,3}[A-Za-z\d]){11}")
"""The part of it that takes little time to search for."""
IBAN_LENGTHS = {
    country: 4 + sum(map(int, re.findall(r"\d+", properties["bban"])))
    for _, country, _, properties, _ in numdb.get("iban").prefixes
}
CARD_DIGITS = range(13, 20)
CARD_BRANDS = re.compile(r"4|5[0-8]|2[2-7]|3[0-9]|6|9[79]|1800|2131")
SSN = re.compile(rf"{DIGIT}(?<![.-]\d)\d\d([-. ]{{1,3}})\d{{2}}\1\d{{4}}{FREE_AFTER}(?!-)")
PRE_RELEASE = r"[-+](?i:alpha|beta|rc|pre|dev|build|snapshot|post|hotfix|patch)"
"""What follows the number of a version, and no address."""
IPV4 = re.compile(rf"{DIGIT}(?<!\.\d)\d{{0,2}}(?:\.\d{{1,3}}){{3}}{FREE_AFTER}(?!\.\w|{PRE_RELEASE})")
FOUR_NUMBERS = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
IPV6 = re.compile(
    rf"(?=[\dA-Fa-f:]){FREE_BEFORE}(?<![:.])(?=[^\W_:]*:[^\W_:]*:)"
    rf"(?:[\dA-Fa-f:]{{2,39}}:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|[\dA-Fa-f:]{{3,39}}){FREE_AFTER}(?!:)"
)
VERSION = re.compile(
    r"(?:\b(?:versions?|ver\.?|release|build|firmware|v|section|chapter|clause|oid|§)[ :=]{0,2}"
    r"|(?-i:\b[A-Z]\w{0,30})/)$",
    re.I,
)
"""Before four numbers with dots that are not an address."""


PLAIN_NAME = re.compile(r"[A-Za-z_]{0,15}")
"""Too short to be personal, without digits and signs."""
Recognizer = Callable[[str], Iterable[tuple[int, int, str]]]
"""Somebody's own finder of names and addresses: `(start, end, "NAME" or "ADDRESS")` for each that a text holds."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the kinds that are built in, the terms of a key's policy, and what a recognizer finds."""

    terms: tuple[str, ...] = ()
    recognizer: Recognizer | None = None

    def find(self, text: str) -> list[Found]:
        """What is personal in a text, in order and without overlaps, in time linear in the text's length."""
        if not self.terms and self.recognizer is None and PLAIN_NAME.fullmatch(text):
            return []
        plain = plain_text(text)
        taken = bytearray(len(plain.text))
        if plain.text.count("-") >= HYPHENS:
            for match in OPAQUE.finditer(plain.text):
                taken[slice(*match.span())] = b"\1" * len(match[0])
        found: list[Found] = []
        for kind, start, end in self._candidates(plain.text):
            if start < end and not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append(Found(*plain.span(start, end), kind))
        return sorted(found)

    def _candidates(self, text: str) -> Iterator[tuple[Kind, int, int]]:
        yield from _of(Kind.SECRET, secrets_in(text))
        if any(sign in text for sign in ("@", "%40", "at)", "at]")) or AT.search(text):
            yield from _of(Kind.EMAIL, (match.span() for match in EMAIL.finditer(text)))
        for start, end, is_address in terms_in(text, self.terms):
            yield Kind.ADDRESS if is_address else Kind.NAME, start, end
        if self.recognizer is not None:
            for start, end, kind in self.recognizer(text):
                yield Kind(kind), start, end
        yield from _numbers(text)
        yield from _of(Kind.ID, lettered_ids(text))


@cache
def find_recognizer(path: str) -> Recognizer | None:
    """The recognizer at a dotted path; None when the path is empty. ImportError when there is none."""
    return cast("Recognizer", import_string(path)) if path else None


BUILT_IN = Finder()


def find_personal(text: str) -> list[Found]:
    """What is personal in a text by the kinds that are built in."""
    return BUILT_IN.find(text)


def _of(kind: Kind, spans: Iterable[Span]) -> Iterator[tuple[Kind, int, int]]:
    return ((kind, *span) for span in spans)


def _numbers(text: str) -> Iterator[tuple[Kind, int, int]]:
    for start, island in islands_in(text):
        for kind, first, last in _numbers_of_island(island):
            yield kind, start + first, start + last


def _numbers_of_island(text: str) -> Iterator[tuple[Kind, int, int]]:
    if IBAN_DIGITS.search(text):
        yield from _of(Kind.IBAN, _ibans(text))
    is_dense = DENSE.search(text) is not None
    numbers = list(numbers_in(text, ID_SHAPES | PHONE_SHAPES)) if is_dense else []
    for number in numbers:
        if _is_card(number):
            yield Kind.CARD, number.start, number.end
    yield from _of(Kind.SSN, (match.span() for match in SSN.finditer(text)) if is_dense else ())
    yield from _of(Kind.ID, letter_ids(text))
    for number in numbers:
        if not number.is_international and is_national_id(number):
            yield Kind.ID, number.start, number.end
    yield from _of(Kind.IP, _ips(text))
    yield from _of(Kind.PHONE, phones_in(text) if is_dense else ())
    for number in numbers:
        if is_phone(number):
            yield Kind.PHONE, number.start - is_opened(number), number.end


def _ibans(text: str) -> Iterator[Span]:
    """The match may include words after the number; the country determines its length."""
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
    as_digits = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])  # the library's check takes longer
    is_one = int(as_digits) % 97 == 1 and iban.is_valid(number, check_country=False)
    return match.start() + end if is_one else None


def _is_card(number: Number) -> bool:
    digits, shape = number.digits, number.shape
    if len(digits) not in CARD_DIGITS or CARD_BRANDS.match(digits) is None or min(shape) < 2 or number.is_international:
        return False
    is_decimal = len(shape) == 2 and "." in number.written
    return not is_decimal and len(set(digits)) > 1 and luhn.checksum(digits) == 0


def _ips(text: str) -> Iterator[Span]:
    of_six = IPV6.finditer(text) if text.count(":") > 1 else ()
    of_four = IPV4.finditer(text) if FOUR_NUMBERS.search(text) else ()
    for match in (*of_six, *of_four):
        end = match.end() - (match[0].endswith(":") and not match[0].endswith("::"))
        if any(sign.isdigit() for sign in match[0]) and is_remote(text[match.start() : end]):
            if VERSION.search(text[max(0, match.start() - 16) : match.start()]) is None:
                yield match.start(), end


def is_remote(text: str) -> bool:
    """Whether it is an IP address, other than this machine's, and no mask of a network."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or text.startswith("255."))
