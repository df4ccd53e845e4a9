"""English for the simulator: whose words share a stem, what a question is about, and a story told as one's own."""

from __future__ import annotations

import re

WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|\d+")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+|;\s+")
STEM = 4
FEW_WORDS = 6
IDLE = frozenset(
    "a about ago all also am an and any anything are as ask at be because been before but by can could did do does "
    "doing done else ever for from had has have having he her here him his how i if in into is it its just let like me "
    "more much my no not now of on or our out over please say she should so some still tell than that the their them "
    "then there they thing this to too up us very was we well were what when where which who why will with would yes "
    "you your yourself bring brings matter today wrong".split()
)
ASIDE = re.compile(
    r"^(?:(?:and|but|so|ok|okay|well|please|hello|hi|good \w+|thanks?|thank you|i see|all right)\b[\s,.!]*)+", re.I
)
AUXILIARY = re.compile(
    r"^(?:do|does|did|have|has|had|are|is|was|were|can|could|would|will|may|should)\b(?:n't)?\s+"
    r"(?:you|there|it|we|i)\b\s*"
    r"(?:(?:have|had|has|been|be|ever|also|any|please|to|tell me|show me|about|describe)\b\s*)*",
    re.I,
)
ASKED = re.compile(r"\b(?:when|where|why|how|what|who|which)\b[^,.?!;]*", re.I)
HINTS: dict[str, str] = {
    "when": "ago since yesterday today night morning evening hour hours day week began",
    "long": "ago since hour hours day days week weeks year years",
    "start": "ago since began suddenly woke first",
    "where": "left right upper lower side back around behind middle here",
    "why": "because after reason",
    "better": "help eases relief",
    "worse": "worse hurts",
    "job": "work works",
    "occupation": "work works",
    "who": "wife husband mother father friend daughter son alone",
    "hurt": "pain ache sore cramp pressure",
    "pain": "hurt hurts ache sore cramp pressure",
}
"""What answers to a question word are made of."""
MINE = {"you": "I", "your": "my", "yours": "mine", "yourself": "myself"}
THEIRS = {"he": "I", "she": "I", "his": "my", "her": "my", "him": "me", "himself": "myself", "herself": "myself"}
VERBS = {"is": "am", "are": "am", "has": "have", "does": "do", "goes": "go", "were": "was", "isn't": "am not"}
PAST = {"begin": "began", "come": "came", "eat": "ate", "feel": "felt", "get": "got", "go": "went", "have": "had",
        "take": "took"}  # fmt: skip
DONE = "studies|has|is|does|goes|works|feels|takes|lives|smokes|drinks|sleeps|eats|looks|coughs|wants|thinks|knows|sees"
"""Verbs that go on with a sentence after `and`; nouns look the same."""
AFTER_OBJECT = (
    "about after against at before behind by for from in makes of on over to under wakes with".split()
)  # fmt: skip


def sentences(text: str) -> list[str]:
    """Its sentences, each with an end."""
    parts = (" ".join(part.split()) for part in SENTENCE.split(text))
    return [part if part[-1] in ".!?" else f"{part}." for part in parts if WORD.search(part)]


def stems(text: str) -> set[str]:
    """The first letters of every word that says something."""
    return {word[:STEM] for word in map(str.lower, WORD.findall(text)) if word not in IDLE}


def hints(question: str) -> set[str]:
    """Stems of what an answer to this question would hold, besides its own words."""
    words = {word.lower() for word in WORD.findall(question)}
    words |= {"start"} if any(word[:STEM] in {"star", "begi"} for word in words) else set()
    words |= {"hurt"} if any(word[:STEM] == "hurt" for word in words) else set()
    return {hint[:STEM] for word in words for hint in HINTS.get(word, "").split()}


def about(question: str) -> str:
    """What a question is about, in the words of whoever is asked: `where it hurts`, `smoke`; empty for no question."""
    asked = next((part for part in re.split(r"(?<=[.!])\s+", question.strip()) if "?" in part), "")
    text = ASIDE.sub("", asked).partition("?")[0]
    phrase = ASKED.search(text)
    kept = phrase[0] if phrase and phrase.start() < len(text) // 2 + 12 else AUXILIARY.sub("", text)
    words = re.split(r"\s+and\s+|[,;]", kept.strip())[0].split()
    if not words or len(words) > FEW_WORDS + 2 or not stems(" ".join(words)) | hints(" ".join(words)):
        return ""
    topic = as_mine(turned(" ".join(words)))
    return topic if topic.startswith(("I ", "I'")) else topic[:1].lower() + topic[1:]


def turned(phrase: str) -> str:
    """`where does it hurt` as it is said back: `where it hurts`; other orders stay."""
    match = re.match(r"(?i)^(\w+(?: long| often| much| bad)?) (does|do|did|is|are|was|were) (\w+)\b ?(.*)$", phrase)
    if match is None or match[3].lower() not in {"it", "that", "you", "this", "they", "the", "your"}:
        return phrase
    asking, verb, subject, rest = match.groups()
    if subject.lower() in {"the", "your"}:
        subject, _, rest = f"{subject} {rest}".partition(" ")
        noun, _, rest = rest.partition(" ")
        subject = f"{subject} {noun}"
    if verb.lower() in {"is", "are", "was", "were"}:
        return f"{asking} {subject} {verb} {rest}".strip()
    action, _, more = rest.partition(" ")
    if verb.lower() == "did":
        action = PAST.get(action, f"{action.removesuffix('e')}ed")
    if verb.lower() == "does":
        action += "es" if action.endswith(("s", "sh", "ch", "o")) else "s"
    return f"{asking} {subject} {action} {more}".strip()


def as_mine(text: str) -> str:
    """Text to `you`, said by the one it is about."""
    text = re.sub(r"(?i)\byou(?:'re| are)\b", "I am", text)
    text = re.sub(r"(?i)\byou were\b", "I was", text)
    text = re.sub(r"(?i)\byou(?:'ve)\b", "I have", text)
    text = re.sub(rf"(?i)\b({'|'.join(AFTER_OBJECT)}) you\b", r"\1 me", text)
    text = re.sub(r"(?i)\b([a-z]{2,}s) you\b(?! (?:have|had|can|could|do|did|will))", r"\1 me", text)
    return _replaced(text, MINE)


def as_own_story(text: str, names: tuple[str, ...] = ()) -> str:
    """A sentence about one (`names`, he or she) or to one, told in the first person."""
    own = as_mine(text)
    for name in filter(None, names):
        own = re.sub(rf"(?i)\b(?:the )?{re.escape(name)}'s\b", "my", own)
        own = re.sub(rf"(?i)\b(?:the )?{re.escape(name)}\b", "I", own)
    own = re.sub(rf"(?i)\b({'|'.join(AFTER_OBJECT)}|found|brought|called) (?:her|him)\b(?! [a-z])", r"\1 me", own)
    own = _replaced(own, THEIRS)
    own = re.sub(r"\bI (also |often |never |always |still |only )?([a-z']+)\b", _conjugated, own)
    if own.startswith("I "):
        own = re.sub(rf"\b(and|but|or) ({DONE})\b", lambda match: f"{match[1]} {_plain(match[2])}", own)
    return own[:1].upper() + own[1:]


def _replaced(text: str, words: dict[str, str]) -> str:
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.I)
    return pattern.sub(lambda match: words[match[1].lower()], text)


def _conjugated(match: re.Match[str]) -> str:
    return f"I {match[1] or ''}{_plain(match[2])}"


def _plain(verb: str) -> str:
    """`works` → `work`, `has` → `have`; a verb of the past stays."""
    if verb in VERBS:
        return VERBS[verb]
    if len(verb) < 4 or not verb.endswith("s") or verb.endswith(("ss", "us", "'s")):
        return verb
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if verb.endswith(("shes", "ches", "sses", "xes")) else verb[:-1]
