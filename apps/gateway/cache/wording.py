"""The wording of a text: its words and signs, without what nobody means by them.

Courtesy, articles, contractions, capitals, the final full stop, and the ways in which Unicode writes the same
characters make no difference. Lines, quotations and questions about programming keep their capitals; code is left as
it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

CONTRACTIONS = (
    (re.compile(r"(?i)\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"(?i)\bwon't\b"), "will not"),
    (re.compile(r"(?i)n't\b"), " not"),
    (re.compile(r"(?i)\b(what|who|where|when|why|how|that|there|it|he|she|let)'s\b"), r"\1 is"),
    (re.compile(r"(?i)'re\b"), " are"),
    (re.compile(r"(?i)'ve\b"), " have"),
    (re.compile(r"(?i)'ll\b"), " will"),
    (re.compile(r"(?i)\bi'm\b"), "i am"),
    (re.compile(r"(?i)\b([ap])\.\s?m\b\.?"), r"\1m"),
)
COURTESY = re.compile(
    r"(?i)^(?:(?:please|kindly)\s+)?"
    r"(?:(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?"
    r"(?=(?:tell|explain|give|list|show|write|help|describe|name|define|summari[sz]e|translate|recommend|suggest)\b))?"
    r"(?:tell\s+me\s+(?=(?:what|who|where|when|why|how|which)\b))?"
)
"""Only at the beginning: elsewhere it may be what the question is about ("Translate: thanks")."""
CODE = re.compile(r"[`{}\[\]=<>;_\\|~^]|\(\)|\t|\n\s{2}")
"""A text with one of these may be code."""
QUOTED = re.compile(r"""\n|"|(?<!\w)'[^']+'(?!\w)""")
"""A text with one of these has lines or quotations of its own."""
WORD = re.compile(r"\n\s*|\s{2,}|\d+(?:[.,:/-]\d+)*|[^\W\d]+(?:['-][^\W\d]+)*|[^\w\s]|_")
ADDRESS = re.compile(r"(?<!\S)[^\s_.:@/\\]*[_.:@/\\]+\S*[^\s.:?!,;)\]\"']")
"""URLs, e-mail addresses, paths, dotted and underscored names."""
ARTICLES = frozenset({"an", "the"})
BEFORE_AN_A = frozenset(
    "about and as at be build by create define describe design draft explain find for from generate give has have i in"
    " into is like make me need of on or show such summarize than that to translate use want was what with".split()
)
"""Words after which "a" is an article; after others it may be a name, as in "vitamin a"."""
AFTER_A_QUANTITY = frozenset({"few", "little", "lot", "minor", "major"})
"""With "a" these mean something else."""
QUESTION_WORDS = frozenset({"what", "who", "whom", "whose", "where", "when", "why", "how", "which"})
ASKING = QUESTION_WORDS | frozenset(
    "is are am was were do does did can could should would will may might must has have had".split()
)
"""First words of questions: with and without a question mark these ask the same."""
BEFORE_WHAT = frozenset("about after at before by for from in of on since to under until with".split())
NAMES_TOO = frozenset(
    "access amazon apple april august bath bill buffalo chad china cork earth excel fall frank general go grant guinea"
    " hamburg it java jersey jordan lima mark march may mercury meta mobile nice oracle orange pat phoenix polish"
    " python reading rob ruby rust scratch shell sue swift target turkey us wales who will windows word".split()
)
"""Words that mean something else with a capital."""
TOOLS = frozenset(
    "python javascript typescript java ruby rust golang php perl kotlin scala sql postgresql mysql sqlite mongodb redis"
    " excel bash powershell css html django flask react angular vue pandas numpy git docker linux vim".split()
)
"""Languages and tools of programmers, to whom capitals matter."""
SAME_CHARACTERS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
    | dict.fromkeys("\u2028\u2029", "\n")
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff")
)
"""Typographic quotes, hyphens and dashes as on a typewriter; what nobody sees is left out."""
MEANT = frozenset({"<super>", "<sub>", "<fraction>", "<circle>", "<font>", "<square>"})
"""Compatibility characters that mean more than their plain ones: 10\u00b2 is not 102."""


def plain_text(text: str) -> str:
    """A text whose characters are written in one way of those that Unicode has for them."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text).translate(SAME_CHARACTERS)
    return unicodedata.normalize("NFC", "".join(map(_plain_character, text)))


@lru_cache(maxsize=4096)
def _plain_character(character: str) -> str:
    kind, _, _ = unicodedata.decomposition(character).partition(" ")
    is_kept = character.isascii() or not kind.startswith("<") or kind in MEANT
    return character if is_kept else unicodedata.normalize("NFKC", character)


def is_code(text: str) -> bool:
    """Whether it may be code, in which every character counts."""
    return bool(CODE.search(text.strip()))


def words_of(text: str) -> list[str]:
    """The words and signs that carry a text's meaning: without courtesy, articles and capitals that mean nothing;
    then its whole addresses and identifiers. Code is one word."""
    if is_code(text):
        return [text]
    text = plain_text(text).strip()
    keeps_capitals = bool(QUOTED.search(text))
    if not keeps_capitals and text.isupper() and " " in text:
        text = text.lower()
    asked = COURTESY.sub("", text)
    if asked != text:
        text = asked.rstrip("?!. ")
    for pattern, plain in CONTRACTIONS:
        text = pattern.sub(plain, text)
    found = WORD.findall(text)
    if not keeps_capitals:
        programs = any(word.lower() in TOOLS for word in found)
        found = [_uncapitalised(before, word, programs) for before, word in pairwise(["", *found])]
        found = [
            word
            for before, word, after in zip(["", *found], found, [*found[1:], ""], strict=False)
            if not _is_article(before, word, after)
        ]
    return [*_without_end(found), *ADDRESS.findall(text)]


def _uncapitalised(before: str, word: str, programs: bool) -> str:
    """The word in small letters, unless its capitals may mean something; in a question about a program, they may."""
    is_first = not before or before in {".", "?", "!"}
    kept = _is_name(before, word) or (programs and not is_first and word != "I" and word.lower() not in TOOLS)
    return word if kept else word.lower()


def _is_name(before: str, word: str) -> bool:
    """Abbreviations, units, single letters, and names that mean something else in small letters."""
    if not before and word.lower() in ASKING and not word.isupper():
        return False
    if any(map(str.isupper, word[1:])):
        return True
    special = word.lower() in NAMES_TOO or before[:1].isdigit() or (bool(before) and len(word) == 1 and word != "I")
    return special and word[:1].isupper()


def _is_article(before: str, word: str, after: str) -> bool:
    if word == "a":
        return after not in AFTER_A_QUANTITY and (not before or before in BEFORE_AN_A)
    return word in ARTICLES


def _without_end(words: list[str]) -> list[str]:
    """Without full stops at the end, and without question marks at the end of what begins as a question."""
    last = len(words)
    ends = {".", "!", "?"} if _is_question(words) else {".", "!"}
    while last and words[last - 1] in ends:
        last -= 1
    return words[:last]


def _is_question(words: list[str]) -> bool:
    return (
        any(word.lower() in ASKING for before, word in pairwise(["", *words]) if before in {"", *",.?!:"})
        or (len(words) > 1 and words[0].lower() in BEFORE_WHAT and words[1] in QUESTION_WORDS)
        or (len(words) > 1 and words[-2] in QUESTION_WORDS)
    )
