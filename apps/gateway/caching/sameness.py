"""Whether two texts can ask the same thing: what an embedding does not see, and must not be different.

An embedding puts "is 5 enough?" beside "is 6 enough?", "do" beside "do not" and "from euros to dollars" beside the
reverse. A text's guard holds such details; texts with different guards are never the same question.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise

CONTRACTIONS = (
    (re.compile(r"(?i)\bcan['\u2019]t\b|\bcannot\b"), "can not"),
    (re.compile(r"(?i)\bwon['\u2019]t\b"), "will not"),
    (re.compile(r"(?i)n['\u2019]t\b"), " not"),
    (re.compile(r"(?i)\b(what|who|where|when|how|that|there|it|he|she|let)['\u2019]s\b"), r"\1 is"),
    (re.compile(r"(?i)['\u2019]re\b"), " are"),
    (re.compile(r"(?i)['\u2019]ve\b"), " have"),
    (re.compile(r"(?i)['\u2019]ll\b"), " will"),
    (re.compile(r"(?i)\bi['\u2019]m\b"), "i am"),
)
COURTESY = re.compile(
    r"(?i)^(?:(?:please|kindly)\s+)?"
    r"(?:(?:can|could|would|will)\s+you\s+(?:please\s+|kindly\s+)?(?=(?:tell|explain|give|list|show|write|help)\b))?"
    r"(?:tell\s+me\s+(?=(?:what|who|where|when|why|how|which)\b))?"
)
"""At the beginning alone: elsewhere, and in greetings, it may be what is asked about ("Translate: thanks")."""
CODE = re.compile(r"[`{}\[\]=<>;_\\|]|\(\)|\n")
"""Where one of these is, capitals and articles are kept."""
LAYOUT = re.compile(r"\n\s*|\s{2,}")
WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d]+(?:['\u2019-][^\W\d]+)*|[^\w\s]|_")
ARTICLES = frozenset({"an", "the"})
BEFORE_AN_A = frozenset(
    "about and as at be build by create define describe design draft explain find for from generate give has have i in"
    " into is like make me need of on or show such summarize than that to translate use want was what with".split()
)
"""Words after which "a" is an article; after others it may be a name, as in "vitamin a"."""
ADDRESS = re.compile(r"(?<!\S)[^\s_.:@/\\]*[_.:@/\\]+\S*[^\s.:?!,;)\]\"']")
"""URLs, e-mail addresses, paths, dotted and underscored names."""
QUESTION_WORDS = frozenset({"what", "who", "whom", "whose", "where", "when", "why", "how", "which"})
NAMES_TOO = frozenset(
    "access amazon apple april august bath bill buffalo chad china cork earth excel fall frank general go grant guinea"
    " hamburg it java jersey jordan lima mark march may mercury meta mobile nice oracle orange pat phoenix polish"
    " python reading rob ruby rust scratch shell sue swift target turkey us wales who will windows word".split()
)
"""Words that mean something else with a capital."""
NEGATIONS = frozenset(
    "no not none never nobody nothing nowhere neither nor without cannot except unless hardly barely lack lacks lacking"
    " incorrect invalid impossible illegal incomplete inactive insecure irrelevant inaccurate indirect informal"
    " exclude excludes excluding excluded avoid avoids avoiding stop stops prevent prevents"
    " nicht kein keine keinen keinem keiner ohne nie niemals ne pas jamais sans rien non sin nunca nada senza mai"
    " nao n\u00e3o sem niet geen zonder inte utan ikke uden nie bez".split()
)
NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion"
    " first second third fourth fifth sixth seventh eighth ninth tenth last half quarter double triple twice once dozen"
    " both all some any every each few many most least single".split()
)
OPPOSITES = frozenset(
    "above below before after increase decrease more less larger smaller bigger greater higher lower maximum minimum"
    " max min true false on off yes from to into out up down left right start end begin enable disable enabled disabled"
    " allow deny add remove add delete insert include includes including open close buy sell import export upload"
    " download encrypt decrypt encode decode compress decompress push pull read write input output ascending descending"
    " oldest newest earlier later early late hot cold best worst good bad safe legal valid"
    " advantages disadvantages pros cons benefits risks cheap cheapest expensive north south east west today tomorrow"
    " yesterday morning evening daily weekly monthly yearly always sometimes often rarely he she his her him male"
    " female man woman men women monday tuesday wednesday thursday friday saturday sunday january february april june"
    " july september october november december".split()
)


@dataclass(frozen=True, slots=True)
class Wording:
    """Digests of a text's words, to tell other words from the same words in another order."""

    bag: str = ""
    order: str = ""

    def __str__(self) -> str:
        return f"{self.bag}:{self.order}" if self.bag else ""


def words_of(text: str) -> list[str]:
    """The words and signs that carry a text's meaning: without courtesy, articles and capitals that are none; then
    its layout, where it has one."""
    text = text.strip()
    layout = LAYOUT.findall(text)
    text = COURTESY.sub("", text)
    for pattern, plain in CONTRACTIONS:
        text = pattern.sub(plain, text)
    found = WORD.findall(text)
    if not CODE.search(text):
        found = [word if _is_name(before, word) else word.lower() for before, word in pairwise(["", *found])]
        found = [word for before, word in pairwise(["", *found]) if not _is_article(before, word)]
    return [*_without_end(found), *layout]


def wording_of(text: str) -> Wording:
    words = words_of(text)
    return Wording(_digest(sorted(words)), _digest(words))


def guarded_by(text: str) -> list[str]:
    """What must be the same, in its order, in every wording: numbers, negations, opposites, signs, and whole addresses
    and identifiers."""
    return [*(word for word in words_of(text) if _matters(word)), *ADDRESS.findall(text)]


def _matters(word: str) -> bool:
    lower = word.lower()
    return (
        not word.isalpha()
        or len(word) == 1
        or word != lower
        or lower in NEGATIONS
        or lower in NUMBER_WORDS
        or lower in OPPOSITES
        or _is_negated(lower)
    )


def _is_negated(word: str) -> bool:
    """Words with a negating beginning or end; that some others look alike costs a hit, not the truth."""
    return len(word) > 5 and (word.startswith(("non", "un", "dis", "mis", "anti")) or word.endswith("less"))


def _is_name(before: str, word: str) -> bool:
    """Abbreviations, units, single letters, and names that mean something else in small letters."""
    if any(map(str.isupper, word[1:])):
        return True
    special = word.lower() in NAMES_TOO or before[:1].isdigit() or (bool(before) and len(word) == 1 and word != "I")
    return special and word[:1].isupper()


def _is_article(before: str, word: str) -> bool:
    return word in ARTICLES or (word == "a" and (not before or before in BEFORE_AN_A))


def _without_end(words: list[str]) -> list[str]:
    """Without the last full stop, and without the last question mark of what begins with a question word."""
    if words and (words[-1] in {".", "!"} or (words[-1] == "?" and words[0] in QUESTION_WORDS)):
        return words[:-1]
    return words


def _digest(words: list[str]) -> str:
    return hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()[:16]
