"""Playing a role: whoever speaks knows the facts of the prompt, keeps its secrets, and answers what is asked.

A prompt casts a role when its instructions say `you play …`, `stay in the role …`. What stands between tags in it are
facts, unless the line above says that they are secret (`never name it`) or how to behave (`how …`).
"""

from __future__ import annotations

import random
import re

from orchestration.providers.material import Block, Material
from orchestration.providers.players import Player
from orchestration.providers.speech import ASIDE, about, as_own_story, hints, sentences, stems
from orchestration.types import JsonObject

CASTING = re.compile(r"(?i)\b(?:you play|play the role|in the role of|stay in (?:the |your )?(?:role|character))\b")
NOUN = re.compile(r"(?i)\byou play an? ((?:\w+ )*?\w+)(?= who\b| in\b| for\b|[,.\n])")
SECRET = re.compile(r"(?i)\bnever (?:name|reveal|tell|mention|say|give)|\bdo not (?:name|reveal|tell|mention|say)")
MANNER = re.compile(r"(?i)\bhow\b|\bbehav|\bdifficult|\bmood|\bstyle")
SHORT = 12
"""Words of a fact that is no sentence but a topic."""
REASONS = ("It is about {topic}. {fact}", "As I said, {topic}. {fact}", "You see, it is {topic}. {fact}")
SHOWING = ("Yes, of course. Look here.", "Here, I will show you.", "I can show you, wait. There.")
ASKING = frozenset({"when", "where", "why", "how", "what", "who", "which"})
REMARKING = 0.3
"""How often something is added to an answer."""
SEEING = frozenset({"show", "pict", "phot", "imag", "look", "see"})

OPENINGS = (
    "Hello, thank you for seeing me. I am here because of {reason}.",
    "Good day. It is about {reason}, it really bothers me.",
    "Hi. I came because of {reason} and I am worried.",
    "Thank you for taking the time. I have {reason}.",
)
OPENINGS_UNTOLD = (
    "Hello, thank you for seeing me. I do not feel well at all.",
    "Good day. I feel that something is wrong.",
)
ANSWERS = (
    "{topic}? {fact}",
    "{topic}? Let me think. {fact}",
    "{fact}",
    "Well, {topic}: {fact}",
    "You ask {topic}. {fact}",
)
ANSWERS_PLAIN = ("{fact}", "Let me think. {fact}", "Yes, about that: {fact}", "All right. {fact}")
DODGES = (
    "I do not know what it is called. You are the one to tell me.",
    "You mean it could be that? I know nothing about such things.",
    "Is that what you think it is? You frighten me a little.",
)
STATEMENTS = ("All right.", "If you think so.", "Good, thank you for telling me.", "Please tell me what you are doing.")
UNKNOWN_TOPIC = ("{topic}? I could not say. {fact}", "{topic}? That I do not know. {fact}")
UNKNOWN = (
    "{topic}? I could not say. {fact}",
    "{topic}? Nothing that I noticed. {fact}",
    "{topic}? I do not think so, but I do know this: {fact}",
)
UNKNOWN_PLAIN = ("I am not sure what to say to that. {fact}", "All right. What I can tell you: {fact}", "Hm. {fact}")
AGAIN = ("As I said: {fact}", "I told you already, I think. {fact}", "Again: {fact}")
NOTHING_MORE = (
    "That is all I know, I am afraid.",
    "I told you all I can think of.",
    "I do not know more than that.",
)
AFTERWARDS = (
    "Is it something bad?",
    "It worries me, to be honest.",
    "What do you think it is?",
    "Will you be able to help me?",
    "I just want it to get better.",
    "I have been thinking about it the whole time.",
)
JOBS = ("bus driver", "teacher", "baker", "gardener", "accountant", "cook", "electrician", "librarian")


class Role(Player):
    """Somebody with a name, a reason to be here, and facts, which are sentences in the first person."""

    most_items = 1

    def __init__(self, material: Material, rng: random.Random) -> None:
        super().__init__(material, rng)
        noun = NOUN.search(material.instructions)
        self.name = next((block.text for block in material.blocks if block.label.endswith("name")), "")
        names = (self.name, self.name.partition(" ")[0], noun[1].split()[-1] if noun else "")
        texts = [block.text for block in material.blocks if _is_told(block)]
        self.secrets = stems(" ".join(block.text for block in material.blocks if SECRET.search(block.lead)))
        self.reason = _lowered(next((text for text in reversed(texts) if _is_topic(text)), "").rstrip("."))
        told = [fact for text in texts if not _is_topic(text) for fact in sentences(text)]
        self.facts = [as_own_story(fact, names) for fact in told if not self._gives_away(fact)]
        if self.reason and not self.facts:
            self.facts = [f"I have {self.reason}."]
        self._remarks: list[str] = []
        self._answered = False

    def reply(self) -> str:
        """The next thing that this role says; after the answer to the question come remarks."""
        if self._answered:
            return self._remark()
        self._answered = True
        said = self._first()
        left = [text for text in AFTERWARDS if not self._was_said(text)]
        return f"{said} {self._remark()}" if left and self._rng.random() < REMARKING else said

    def _first(self) -> str:
        """The opening, or the answer to what was asked."""
        if not self._material.said and not self._material.before:
            return self._rng.choice(OPENINGS if self.reason else OPENINGS_UNTOLD).format(reason=self.reason)
        return self._answer(self._material.said or self._material.before[-1].text)

    def decides(self, name: str) -> bool | None:
        """Whether it was asked to let something be seen, for `…_requested`."""
        if not name.endswith("_requested"):
            return None
        return self._shows()

    def rows(self, name: str, fields: frozenset[str]) -> list[JsonObject]:
        wanted = self._material.listed(name) if {"key", "value"} <= fields else []
        return [{"key": key, "value": self._value_of(key)} for key in wanted] or super().rows(name, fields)

    def _remark(self) -> str:
        """Something that was not said before, in this answer at least."""
        left = [text for text in AFTERWARDS if text not in self._remarks]
        self._remarks.append(
            self._rng.choice([text for text in left if not self._was_said(text)] or left or AFTERWARDS)
        )
        return self._remarks[-1]

    def _shows(self) -> bool:
        """Whether it was asked for a picture, and has one."""
        said = self._material.said.lower()
        asked = (stems(said) | set(said.split())) & SEEING
        return bool(asked) and any("picture" in block.label for block in self._material.blocks)

    def _answer(self, question: str) -> str:
        question = ASIDE.sub("", question)
        if stems(question) & self.secrets:
            return self._rng.choice(DODGES)
        if self._shows():
            return self._rng.choice(SHOWING)
        if self.reason and "?" in question and not stems(question) | hints(question):
            return self._filled(REASONS, self.reason, self._untold())
        topic = about(question)
        matching = self._matching(question)
        fresh = [fact for fact in matching if not self._was_said(fact)]
        if fresh:
            told = " ".join(fresh[: 1 + question.count(" and ")])
            return self._filled(ANSWERS if topic else ANSWERS_PLAIN, topic, told)
        if matching:
            return self._filled(AGAIN, topic, matching[0])
        if "?" not in question:
            return self._rng.choice(STATEMENTS)
        fact = self._untold()
        if topic.partition(" ")[0].lower() in ASKING:
            return self._filled(UNKNOWN_TOPIC, topic, fact)
        return self._filled(UNKNOWN if topic else UNKNOWN_PLAIN, topic, fact)

    def _untold(self) -> str:
        """The first fact that was not told yet."""
        return next((fact for fact in self.facts if not self._was_said(fact)), self._rng.choice(NOTHING_MORE))

    def _filled(self, forms: tuple[str, ...], topic: str, fact: str) -> str:
        text = self._rng.choice(forms).format(topic=topic, fact=fact)
        return text[:1].upper() + text[1:]

    def _matching(self, question: str) -> list[str]:
        """Facts that have to do with the question, the closest first."""
        wanted, hinted = stems(question), hints(question)
        scored = [(3 * len(wanted & stems(fact)) + len(hinted & stems(fact)), fact) for fact in self.facts]
        best = max((score for score, _ in scored), default=0)
        return [fact for score, fact in sorted(scored, key=lambda each: -each[0]) if score and 2 * score >= best]

    def _was_said(self, text: str) -> bool:
        return any(text in line.text for line in self._material.before)

    def _gives_away(self, fact: str) -> bool:
        """Whether most of a secret stands in a sentence."""
        return bool(self.secrets) and len(self.secrets & stems(fact)) * 2 > len(self.secrets)

    def _value_of(self, key: str) -> str:
        """What is known about `key`, else something that goes with the rest."""
        text = " ".join(self.facts)
        match key.lower():
            case "age":
                found = re.search(r"\b(\d{1,3})[ -]years?[ -]old\b|\baged? (\d{1,3})\b", text)
                return next(filter(None, found.groups())) if found else str(self._rng.randint(19, 78))
            case "sex" | "gender":
                return self._sex()
            case "occupation" | "job" | "profession":
                found = re.search(r"(?i)\bwork(?:s|ed|ing)? as an? ([a-z]+(?: [a-z]+)?)\b", text)
                if found is None and re.search(r"(?i)\bstud(?:y|ies)\b", text):
                    return "student"
                return found[1] if found else self._rng.choice(JOBS)
        return (
            " ".join((self._matching(key) or self._matching("take allergies allergic operation"))[:2])
            or "nothing known"
        )

    def _sex(self) -> str:
        text = " ".join(block.text for block in self._material.blocks)
        women = len(re.findall(r"(?i)\b(?:she|her|woman|girl|female|husband)\b", text))
        men = len(re.findall(r"(?i)\b(?:he|his|him|man|boy|male|wife)\b", text))
        return self._rng.choice(("female", "male")) if women == men else ("female" if women > men else "male")


def casts(material: Material) -> bool:
    return CASTING.search(material.instructions) is not None


def _is_told(block: Block) -> bool:
    """Neither a name, nor secret, nor a direction."""
    hidden = block.label.endswith("name") or block.rows
    return not (hidden or SECRET.search(block.lead) or MANNER.search(block.lead) or "picture" in block.label)


def _is_topic(text: str) -> bool:
    """A few words that are no sentence."""
    return len(text.split()) <= SHORT and "\n" not in text and text[-1:] not in "!?." and ". " not in text


def _lowered(text: str) -> str:
    first = text.split(" ")[0]
    return text if first.isupper() or first == "I" else text[:1].lower() + text[1:]
