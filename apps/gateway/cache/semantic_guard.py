"""Whether two questions can mean the same, by their words: an embedding does not see the one word that matters.

It puts "hypertension" beside "hypotension", "is 5 enough?" beside "is 6 enough?" and "do" beside "do not". So every
word of one question must have its counterpart in the other, in the same place: the same word, or one that always
means the same (`synonyms`). What may differ is how a question is put (`question_frames`): "how can I", "what is the
way to". Any word that nothing here knows makes another question.
"""

from __future__ import annotations

import re

from apps.gateway.cache.question_frames import in_one_frame
from apps.gateway.cache.synonyms import EVERYWHERE, UNITS, VERBS, WITH_OBJECTS, replaced
from apps.gateway.cache.wording import ASKING, TOOLS, is_code, words_of

AN_ARTICLE = re.compile(
    r"(?<!\bvitamin)(?<!\bhepatitis)(?<!\binfluenza)(?<!\bgrade)(?<!\btype)(?<!\bplan)(?<!\bclass)(?<!\boption)"
    r"(?<!\bgroup)(?<!\bteam)(?<!\bblood)(?<!\bpoint)(?<!\bsection)(?<!\bexhibit)(?<!\bform)(?<!\bletter)(?<!\bpart)"
    r" a (?!few\b|little\b|lot\b|minor\b|major\b|flat\b|sharp\b)(?=[a-zA-Z]{2})"
)
"""An "a" that is not a name."""
IN_FRONT = re.compile(
    rf"^((?:in|on|at|for|with|without|when|if|after|before|during|while|using|under) [^,]+) , "
    rf"((?:{'|'.join(sorted(ASKING))}) .+)$"
)
"""What a question begins with, and might as well end with: "In Python, how do I ...?"."""
PREPOSITIONS = frozenset("from to into onto than with without via against over between and or not versus vs is".split())


def meaning_of(text: str) -> str:
    """What questions of the same meaning have in common; empty when only the same wording is the same question."""
    words = words_of(text)
    if is_code(text) or any(map(str.isspace, words)):
        return ""
    meaning = " ".join(words)
    meaning = IN_FRONT.sub(r"\2 \1", meaning)
    meaning = AN_ARTICLE.sub(" ", meaning)
    meaning = in_one_frame(meaning)
    for finder in (*WITH_OBJECTS, VERBS, EVERYWHERE, UNITS):
        meaning = replaced(meaning, finder)
    return " ".join(_tool_last(meaning.split()))


def _tool_last(words: list[str]) -> list[str]:
    """Of "a Python list" and "a list in Python": the only tool that a question names may be named anywhere in it."""
    places = [place for place, word in enumerate(words) if word.lower() in TOOLS]
    if len(places) != 1:
        return words
    place = places[0]
    before, after = words[:place], words[place + 1 :]
    if before and before[-1] == "in":
        before = before[:-1]
    elif not after or not after[0].isalpha() or not before or before[-1] in PREPOSITIONS:
        return words
    return [*before, *after, "in", words[place].lower()]
