"""The texts the simulator writes: believable, within the schema's limits, and recognizably simulated."""

from __future__ import annotations

import random
import re
import uuid
from datetime import UTC, datetime, timedelta

from orchestration.providers.simulator.pattern_values import text_matching
from orchestration.providers.simulator.responder import Responder
from orchestration.types import JsonObject

REPLIES = frozenset({"answer", "body", "content", "message", "output", "reply", "response", "text"})
PEOPLE = ("Alex Morgan", "Robin Meyer", "Sam Okafor", "Kim Larsen", "Noa Castillo")
EPOCH = datetime(2025, 1, 1, 9, 0, tzinfo=UTC)
LONGEST_QUOTE = 80


class Writer:
    """Writes texts for the properties of a schema; `message` is what replies refer to."""

    def __init__(self, rng: random.Random, message: str, responder: Responder) -> None:
        self._rng = rng
        self._responder = responder
        self._quote = " ".join(message.split())[:LONGEST_QUOTE]

    def text(self, schema: JsonObject, name: str) -> str | None:
        """A text for the property `name`; None when nothing matches its pattern."""
        if "pattern" in schema:
            return self._matching(schema)
        formatted = self._formatted(str(schema.get("format", "")))
        if formatted is not None:
            return formatted
        return _fitted(self._worded(name, schema), schema)

    def reply(self) -> str:
        """What the responder says, else a sentence about the message that is answered."""
        reply = self._responder.reply()
        if reply is not None:
            return reply
        if not self._quote:
            return "This is a simulated answer."
        return self._rng.choice(
            (
                f'You said: "{self._quote}" This is a simulated answer.',
                f'Simulated answer to: "{self._quote}"',
                f'I have read "{self._quote}" and answer with simulated text.',
            )
        )

    def _matching(self, schema: JsonObject) -> str | None:
        for _ in range(20):
            text = text_matching(schema["pattern"], self._rng)
            if text is None or _fitted(text, schema) == text:
                return text
        return None

    def _worded(self, name: str, schema: JsonObject) -> str:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", name).lower().split()
        if not words or words[-1] in REPLIES:
            return self.reply()
        text = self._responder.text(name)
        if text is not None:
            return text
        if words[-1] == "name":
            person = self._rng.choice(PEOPLE)
            return {"first": person.split()[0], "last": person.split()[1]}.get(words[0], person)
        return self._hinted(str(schema.get("description", ""))) or f"Simulated {' '.join(words)}"

    def _hinted(self, description: str) -> str | None:
        """One of the examples a description gives: `one of: a, b`, `e.g. a`."""
        hint = re.search(r"(?i)\b(?:one of|e\.g\.|for example|such as):?\s+([^.;)\n]+)", description)
        if hint is None:
            return None
        return self._rng.choice([each.strip(" `'\"") for each in re.split(r",|\bor\b", hint[1]) if each.strip()])

    def _formatted(self, name: str) -> str | None:
        number = self._rng.randrange(1, 250)
        moment = EPOCH + timedelta(minutes=self._rng.randrange(500_000))
        formats = {
            "date-time": moment.isoformat().replace("+00:00", "Z"),
            "date": moment.date().isoformat(),
            "time": moment.strftime("%H:%M:%SZ"),
            "duration": f"PT{number}M",
            "uuid": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            "email": f"simulated.{number}@example.com",
            "uri": f"https://example.com/simulated/{number}",
            "hostname": f"host-{number}.example.com",
            "base64": "c2ltdWxhdGVk",
            "ipvanyaddress": f"192.0.2.{number}",
            "ipvanynetwork": f"198.51.{number}.0/24",
            "ipv4": f"192.0.2.{number}",
            "ipv6": f"2001:db8::{number:x}",
        }
        return formats.get(name)


def _fitted(text: str, schema: JsonObject) -> str:
    """Cut or filled to the schema's length; never with a blank at its end, which a schema may strip."""
    fewest, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text if most is None else text[:most].rstrip()
    filler = " simulated"
    while len(text) < fewest:
        text += filler[: fewest - len(text)]
        text = f"{text[:-1]}." if text.endswith(" ") else text
    return text
