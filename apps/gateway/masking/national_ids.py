"""Finds identity numbers of people by their check digits (python-stdnum) and their usual writing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from stdnum import verhoeff
from stdnum.ar import cuit
from stdnum.at import vnr
from stdnum.au import tfn
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.ec import ci
from stdnum.ee import ik
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.ie import pps
from stdnum.il import idnr as teudat_zehut
from stdnum.in_ import pan
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.lt import asmens
from stdnum.mx import curp, rfc
from stdnum.my import nric
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.nz import ird
from stdnum.pk import cnic
from stdnum.pl import nip, pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.ru import inn
from stdnum.se import personnummer
from stdnum.si import emso
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.ua import rntrc
from stdnum.us import itin, ssn
from stdnum.za import idnr as za_idnr

from apps.gateway.masking.numbers import CJK, FREE_AFTER, FREE_BEFORE, Number, Shape

Check = Callable[[str], bool]
DAY, MONTH = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])"


@dataclass(frozen=True, slots=True)
class DigitId:
    """An identity number of digits alone. It is recognised in its usual writing, or beside its name; by itself, too,
    if it has so many digits, and so good a check, that hardly another number looks like it."""

    country: str
    lengths: str
    """How many digits it has."""
    words: str
    """Its names, as a regular expression."""
    check: Check
    shapes: str = ""
    """How many digits the groups of its usual writing have."""
    like: str = ".*"
    """A regular expression that is tried before the check, which takes longer."""
    alone: bool = False


def _any(_: str) -> bool:
    """For numbers without check digits."""
    return True


DIGIT_IDS = (
    DigitId("US", "9", "ssn|social security|itin|tax(?:payer)? id", lambda n: ssn.is_valid(n) or itin.is_valid(n)),
    DigitId("CA SIN", "9", "sin|social insurance|nas", sin.is_valid),
    DigitId("AU TFN", "8 9", "tfn|tax file", tfn.is_valid),
    DigitId("NZ IRD", "8 9", "ird", ird.is_valid),
    DigitId("GB NHS", "10", "nhs|chi", nhs.is_valid, "3-3-4"),
    DigitId("NL BSN", "8 9", "bsn|burgerservicenummer|sofi(?:nummer)?", bsn.is_valid, "4-2-3"),
    DigitId("PT NIF", "9", "nif|nipc|contribuinte", nif.is_valid),
    DigitId("IL", "9", r"teudat\w*|israeli? id|ת\.?ז", teudat_zehut.is_valid),
    DigitId("BG EGN", "10", "egn|егн", egn.is_valid),
    DigitId("UA RNTRC", "10", "rntrc|рнокпп|ипн|іпн|інн|инн", rntrc.is_valid),
    DigitId("EC", "10", "c[eé]dula|ci", ci.is_valid),
    DigitId(
        "AT SVNR", "10", r"svnr|sv-nr|sozialversicherung\w*|versicherungsnummer", vnr.is_valid, "4-6", r"[1-9]\d{9}"
    ),
    DigitId("DK CPR", "10", "cpr|personnummer", cpr.is_valid, "6-4", rf"{DAY}{MONTH}\d{{6}}"),
    DigitId(
        "SE",
        "10 12",
        "personnummer|personnr|pnr|samordningsnummer",
        personnummer.is_valid,
        "6-4 8-4",
        r"(?:19|20)?\d\d[01]\d[0-9]\d{5}",
    ),
    DigitId("IS", "10", "kennitala|kt", kennitala.is_valid, "6-4", r"[0-7]\d[01]\d{7}"),
    DigitId("CZ, SK", "9 10", "rodn[eé] [cč][ií]slo|r[cč]", rc.is_valid, "6-4 6-3", r"\d\d[0-8]\d[0-3]\d{4,5}"),
    DigitId("PL NIP", "10", "nip", nip.is_valid, "3-3-2-2 3-2-2-3"),
    DigitId("PL PESEL", "11", "pesel", pesel.is_valid, "", r"\d\d(?:[02468][1-9]|[13579][012])[0-3]\d{6}", alone=True),
    DigitId(
        "DE IdNr", "11", r"steuer-?id\w*|idnr|steuerliche\w*|tin", idnr.is_valid, "2-3-3-3", r"[1-9]\d{10}", alone=True
    ),
    DigitId(
        "BE NN",
        "11",
        r"rijksregister\w*|registre national|insz|niss",
        nn.is_valid,
        "2-2-2-3-2 6-3-2",
        r"\d\d[0-5]\d[0-3]\d{6}",
        alone=True,
    ),
    DigitId(
        "NO", "11", "f[oø]dselsnummer|personnummer|fnr", fodselsnummer.is_valid, "6-5", r"[0-7]\d[0-9]\d{8}", alone=True
    ),
    DigitId(
        "EE, LT",
        "11",
        "isikukood|asmens kodas",
        lambda n: ik.is_valid(n) or asmens.is_valid(n),
        "",
        rf"[1-6]\d\d{MONTH}{DAY}\d{{4}}",
        alone=True,
    ),
    DigitId("LV", "11", "personas kods", _any, "6-5", rf"{DAY}{MONTH}\d{{7}}|32\d{{9}}"),
    DigitId("GR AMKA", "11", "amka|αμκα", amka.is_valid, "", rf"{DAY}{MONTH}\d{{7}}", alone=True),
    DigitId("HR OIB", "11", "oib", oib.is_valid),
    DigitId("TR", "11", r"t\.?c\.?(?: ?kimlik\w*)?|kimlik\w*|tckn", tckimlik.is_valid, "", r"[1-9]\d{10}", alone=True),
    DigitId("BR CPF", "11", "cpf", cpf.is_valid, "3-3-3-2", alone=True),
    DigitId("AR CUIT", "11", "cui[tl]", cuit.is_valid, "2-8-1", r"(?:2[0347]|3[034]|5[015])\d{9}"),
    DigitId("RU SNILS", "11", "снилс|snils", _any, "3-3-3-2"),
    DigitId("RU INN", "10 12", "инн|inn", inn.is_valid),
    DigitId("IN Aadhaar", "12", "aa?dhaa?r|uidai?|आधार", verhoeff.is_valid, "4-4-4", r"[2-9]\d{11}", alone=True),
    DigitId("MY", "12", "nric|mykad|kad pengenalan|ic", nric.is_valid, "6-2-4", rf"\d\d{MONTH}{DAY}\d{{6}}"),
    DigitId("JP", "12", "my ?number|マイナンバー|個人番号", _any),
    DigitId(
        "CH AHV", "13", r"ahv\w*|avs|oasi|sozialversicherung\w*", ahv.is_valid, "3-4-4-2", r"756\d{10}", alone=True
    ),
    DigitId("RO CNP", "13", "cnp", cnp.is_valid, "", rf"[1-9]\d\d{MONTH}{DAY}\d{{6}}", alone=True),
    DigitId(
        "RS, SI, BA, MK, ME", "13", "jmbg|emšo|emso|матични", emso.is_valid, "", rf"{DAY}{MONTH}\d{{9}}", alone=True
    ),
    DigitId(
        "ZA",
        "13",
        "(?:sa |rsa )?id(?:entity)?",
        za_idnr.is_valid,
        "6-4-3 6-4-2-1",
        rf"\d\d{MONTH}{DAY}\d{{4}}[01][89]\d",
        alone=True,
    ),
    DigitId(
        "KR RRN",
        "13",
        "rrn|주민등록번호",
        lambda n: rrn.is_valid(n) or n[6] in "56789",
        "6-7",
        rf"\d\d{MONTH}{DAY}\d{{7}}",
    ),
    DigitId("TH", "13", "thai id|บัตรประชาชน|เลขประจำตัวประชาชน", pin.is_valid, "1-4-5-2-1", r"[1-8]\d{12}"),
    DigitId("PK CNIC", "13", "cnic|nic", cnic.is_valid, "5-7-1", r"[1-7]\d{12}"),
    DigitId(
        "FR NIR",
        "15",
        r"nir|s[eé]curit[eé] sociale|num[eé]ro de s[eé]cu\w*|nss",
        nir.is_valid,
        "1-2-2-2-3-3-2",
        r"[12]\d{14}",
        alone=True,
    ),
    DigitId("ID NIK", "16", "nik|ktp", _any, "", r"\d{6}[0-7]\d[01]\d{7}"),
    DigitId("CN", "18", r"身份证\w*", ric.is_valid, "", rf"[1-9]\d{{5}}(?:19|20)\d\d{MONTH}{DAY}\d{{4}}", alone=True),
)

NINO = r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d[ -]?\d\d[ -]?\d\d[ -]?[A-D]"
CODICE = r"(?i:[A-Z]{3} ?[A-Z]{3} ?[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3} ?[A-Z])"
LETTER_IDS: tuple[tuple[str, Check], ...] = (
    (NINO, _any),
    (r"\d{2}[.]?\d{3}[.]?\d{3}[ -]?[A-Z]", dni.is_valid),
    (r"[XYZ][ -]?\d{7}[ -]?[A-Z]", nie.is_valid),
    (r"\d{7}[A-W][A-IW]?", pps.is_valid),
    (r"\d{6}[-+A-FU-Y]\d{3}[\dA-Y]", hetu.is_valid),
    (r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d", curp.is_valid),
    (r"[A-Z&]{4}\d{6}[A-Z\d]{3}", rfc.is_valid),
    (r"[A-Z]{3}P[A-Z]\d{4}[A-Z]", pan.is_valid),
    (rf"[1-9]\d{{5}}(?:19|20)\d\d{MONTH}{DAY}\d{{3}}[Xx]", ric.is_valid),
    (r"[12] ?\d\d ?[01]\d ?2[AB] ?\d{3} ?\d{3} ?\d\d", nir.is_valid),
    (r"\d{1,2}[.]?\d{3}[.]?\d{3}-[\dkK]", rut.is_valid),
    (rf"\d\d ?{DAY}{MONTH}\d\d ?[A-Z] ?\d{{3}}", _any),  # of the German pension insurance
    (r"[STFGM]\d{7}[A-Z]", _any),  # Singapore
)
"""Identity numbers with letters, found by their form and their check."""
MANY_DIGITS = re.compile(r"\d(?:(?:[ .-]?\d){5}|(?<=[A-Z]\d)\d{3}[A-Z])")
"""All of LETTER_IDS have them; searched for first, because it takes little time."""


BESIDE_LETTER = re.compile(r"\d(?:[A-Za-z]|(?<=[A-Za-z]\d))")
"""A codice fiscale has one, unless letters stand for all its digits, so that two people's differ."""
LETTERS = re.compile(
    r"\b[A-Za-z]{6}[LMNP-Vlmnp-v]{2}[A-Za-z][LMNP-Vlmnp-v]{2}[A-Za-z][LMNP-Vlmnp-v]{3}[A-Za-z]\b", re.ASCII
)


def _letter_id(*forms: str) -> re.Pattern[str]:
    named = "|".join(f"(?P<_{place}>{form})" for place, form in enumerate(forms))
    return re.compile(rf"(?=[A-Za-z\d&]){FREE_BEFORE}(?:{named}){FREE_AFTER}")


@cache
def _letter_ids() -> re.Pattern[str]:
    """All of LETTER_IDS; the name of the group says which."""
    return _letter_id(*(form for form, _ in LETTER_IDS))


@cache
def _codice_fiscale() -> re.Pattern[str]:
    return _letter_id(CODICE)


@dataclass(frozen=True, slots=True)
class _Form:
    """A DigitId, compiled."""

    words: re.Pattern[str]
    check: Check
    shapes: frozenset[Shape]
    like: re.Pattern[str]
    alone: bool

    def fits(self, number: Number, *, is_named: bool) -> bool:
        written = number.shape in self.shapes or (self.alone and len(number.shape) == 1)
        if self.like.fullmatch(number.digits) is None:
            return False
        return (written or (is_named and self.words.search(number.before) is not None)) and self.check(number.digits)


def _shapes(of: DigitId) -> frozenset[Shape]:
    return frozenset(tuple(map(int, shape.split("-"))) for shape in of.shapes.split())


@cache
def _forms() -> dict[int, list[_Form]]:
    """The forms of DIGIT_IDS by their number of digits."""
    table: defaultdict[int, list[_Form]] = defaultdict(list)
    for each in DIGIT_IDS:
        words = re.compile(rf"{FREE_BEFORE}(?:{each.words})(?![^\W\d_{CJK}])", re.IGNORECASE)
        for length in each.lengths.split():
            table[int(length)].append(_Form(words, each.check, _shapes(each), re.compile(each.like), each.alone))
    return dict(table)


@cache
def _any_name() -> re.Pattern[str]:
    names = "|".join(sorted({each.words for each in DIGIT_IDS}))
    return re.compile(f"{FREE_BEFORE}(?:{names})", re.IGNORECASE)


ID_SHAPES = frozenset(shape for each in DIGIT_IDS for shape in _shapes(each))


def compile_patterns() -> None:
    """Compiles what is looked for, which takes a fifth of a process's start: a server does it before it serves, any
    other process when it first looks."""
    for patterns in (_forms, _any_name, _letter_ids, _codice_fiscale):
        patterns()


def is_national_id(number: Number) -> bool:
    """Whether digits are somebody's identity number."""
    forms = _forms().get(len(number.digits), ())
    is_named = bool(forms) and number.is_first and _any_name().search(number.before) is not None
    return any(form.fits(number, is_named=is_named) for form in forms)


def lettered_ids(text: str) -> Iterator[tuple[int, int]]:
    """Where codici fiscali without any digit are in a plain text."""
    return (match.span() for match in LETTERS.finditer(text) if codicefiscale.is_valid(match[0]))


def letter_ids(text: str) -> Iterator[tuple[int, int]]:
    """Where identity numbers with letters are in a plain text."""
    for match in _codice_fiscale().finditer(text) if BESIDE_LETTER.search(text) else ():
        if codicefiscale.is_valid(match[0].replace(" ", "")):
            yield match.span()
    for match in _letter_ids().finditer(text) if MANY_DIGITS.search(text) else ():
        check = LETTER_IDS[int((match.lastgroup or "_0")[1:])][1]
        if check(re.sub("[ .-]", "", match[0]) if check is not hetu.is_valid else match[0]):
            yield match.span()
