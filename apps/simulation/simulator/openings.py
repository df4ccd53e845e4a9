"""Yes, no, or neither: how an answer opens that tells a sentence of the story."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from apps.simulation.simulator.phrases import plain, says
from apps.simulation.simulator.questions import Clause
from apps.simulation.simulator.story import Fact, words_in
from apps.simulation.simulator.tables import COMPLAINT_LABELS, TOPICS

VAGUE = frozenset({"Pain", "Appearance", "Rash", "Itching", "Warmth", "Sleep"})
"""What is named beside other topics without being asked for."""
STATED = frozenset(
    {"Onset", "Onset mode", "Site", "Severity", "Character", "occupation", "Circumstances", "Appearance"}
)
"""Topics to which yes is an answer only where the question names what is true."""
CHOSEN = STATED | {"Course", "Timing", "Radiation", "Home", "Relationship"}
"""Topics of which `or` in a question offers two to choose from."""
LISTED = frozenset(
    {"Medicines", "Treatment so far", "Allergies", "Past illnesses", "Operations and hospital stays", "Relationship"}
)
"""Topics of which a question may ask for others than those that are known."""
WANTED = frozenset({"Appetite", "Sleep"})
"""Topics of something whose lack is the symptom."""
GROUPS = frozenset({"Other conditions", "Heart trouble", "Abdominal pain"})
"""Topics of several illnesses: a sentence about one of them says nothing about the others."""
RELATIVES = words_in(
    "mother father parents mum dad mom brother brothers sister sisters sibling siblings family relative relatives"
)
FACTORS = ("Aggravating factors", "Relieving factors")
NORMAL = "normal*|fine|usual|well|ok|okay|healthy|healthily|regular|alright|right"
IN_ORDER = f"{NORMAL}|behav*|in_order|working|clear|good|all_right"
"""A question for one of these is answered no by trouble."""
TOLERATED = "safe|ok|okay|fine|alright|tolerate; all right; can .. have|take"
TROUBLE = (
    "trouble*|problem*|issue*|change*|pain*|burn*|blood|difficult*|wrong|unusual|abnormal|concern*|irregular|miss*|more"
    "|less|often|lost|lose|gain*|any|condition*|illness*|disease*|bother*|discomfort|sting*|frequent*"
)
"""A question for one of these is answered no when all is normal."""
HINDERED = "wake*|woke*|keep*|kept|affect*|stop*|trouble*|problem*|difficult*|disturb*|prevent*|hard"
"""A question for one of these is answered yes by what is impossible."""
LACKING = "lost|lose|lack*|reduced|poor|off"
IMPOSSIBLE = "could_not|cannot|can_not|unable"
MORE = "other|else|besides|further; apart from; in addition"
PRESENT = "now|currently|still|today; at the moment"
PASSED = "last week|month|year; years|months|weeks ago; as a child"
SINCE_ASKED = "how long; since when; when did|was|were; how often"
WHEN_TOLD = (
    "ago; since; at .. morning|night|evening|noon; years|months|weeks|days; last; shift*; old; yesterday|today; "
    "every|each; once|twice; week|weekend*|evening; this|at morning|night|evening|seven|eight|six"
)
PAIRS = (
    *(("left", "right"), ("upper", "lower"), ("sharp", "dull"), ("sudden*", "gradual*; slow*")),
    *(("better|improv*", "worse"), ("morning", "evening"), ("alone|own|yourself", "live* .. with")),
    (
        "come* and go*; go* away; free; break*; gone; waves; ease*|easing|eased; let up; intermittent; stopped|stop",
        "all the time",
    ),
)
"""Opposites: whoever names the one is told no when the other is true."""


class Opening(Enum):
    YES = "yes"
    NO = "no"
    NOT_SO = "not so"
    """The opposite is true."""
    NOT_QUITE = "not quite"
    """Something like it is true."""
    NOT_THAT = "not that"
    """Nothing is known of what the question names, but of something near."""
    NOTHING_ELSE = "nothing else"
    NOT_NOW = "not now"
    UNDATED = "undated"
    """A time was asked for, and none is known."""
    FILLER = "filler"
    """The question is not one for yes or no."""


def opening_of(fact: Fact, topic: str, clause: Clause, others: Sequence[str], wanted: frozenset[str]) -> Opening:
    """How the sentence opens as an answer about a topic.

    Args:
        others: What the question names besides the topic.
        wanted: The stems of the question that say which sentence answers it.
    """
    if not clause.is_closed or clause.is_negated or (topic in CHOSEN and " or " in clause.text):
        undated = topic not in COMPLAINT_LABELS and says(clause.text, SINCE_ASKED) and not says(fact.own, WHEN_TOLD)
        return Opening.UNDATED if undated else Opening.FILLER
    found = _contrasted(fact, topic, clause, others, wanted) or _agreed(fact, topic, clause, wanted)
    named_only = not clause.is_put_as_question and TOPICS[topic].tier > 2
    return Opening.FILLER if named_only and found in {Opening.YES, Opening.NO} else found


def _contrasted(
    fact: Fact, topic: str, clause: Clause, others: Sequence[str], wanted: frozenset[str]
) -> Opening | None:
    """When the fact is beside what was asked for."""
    if contradicts(clause.text, plain(fact.on(topic))):
        return Opening.NOT_SO
    if _goes_past(fact, topic, clause, others, wanted):
        return Opening.NOT_QUITE if topic in STATED else Opening.NOT_THAT
    if topic in LISTED and says(clause.text, MORE) and not fact.denies(topic):
        return Opening.NOTHING_ELSE
    if says(clause.text, PRESENT) and says(fact.own, PASSED) and not says(fact.own, "since"):
        return Opening.NOT_NOW
    return None


def _agreed(fact: Fact, topic: str, clause: Clause, wanted: frozenset[str]) -> Opening:
    if topic in STATED and not fact.denies(topic):
        return Opening.YES if wanted & fact.words else Opening.FILLER
    if topic == "Family" and not fact.denies(topic) and not (wanted - RELATIVES) & fact.words:
        return Opening.FILLER
    text = fact.on(topic)
    if says(text, NORMAL):
        if says(clause.text, NORMAL):
            return Opening.YES
        return Opening.NO if says(clause.text, TROUBLE) else Opening.FILLER
    if fact.denies(topic) and (
        (topic in WANTED and says(clause.text, LACKING)) or (says(text, IMPOSSIBLE) and says(clause.text, HINDERED))
    ):
        return Opening.YES
    if topic in LISTED and not fact.parts[0].is_denial and not fact.denies(topic):
        return Opening.NO if topic == "Allergies" and says(clause.text, TOLERATED) else Opening.YES
    if says(clause.text, IN_ORDER) and not says(clause.text, "than") and not fact.denies(topic) and topic not in WANTED:
        return Opening.NOT_QUITE
    named = wanted & words_in(clause.text)
    return Opening.NO if fact.denies(topic, named or wanted) else Opening.YES


def _goes_past(fact: Fact, topic: str, clause: Clause, others: Sequence[str], wanted: frozenset[str]) -> bool:
    """Whether the question names something of the topic that the fact says nothing about."""
    words = [each for each in TOPICS[topic].names if says(clause.text, each)]
    if words and not any(says(fact.own, each) for each in words):
        return not (fact.denies(topic) and says(fact.on(topic), "nothing|no|never|none|neither"))
    if topic in FACTORS and wanted and not wanted & fact.words:
        return True
    asked = {other for other in others if TOPICS[other].tier == 2 and other not in VAGUE}
    told = fact.topics if wanted & fact.words else fact.topics - GROUPS
    return not fact.denies(topic) and bool(asked and not asked & told)


def contradicts(question: str, fact: str) -> bool:
    """Whether a question names one of two opposites, and the fact the other."""
    fact = re.sub(r"\bnot stopped\b", "goes on", fact)
    for first, second in PAIRS:
        for asked, true in ((first, second), (second, first)):
            if says(question, asked) and not says(question, true) and says(fact, true) and not says(fact, asked):
                return True
    return False
