"""What compression saves on a given set of prompts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from apps.gateway.compression.compressor import Compressed, Level, compress
from apps.gateway.compression.messages import ROLES

LINES = {".jsonl", ".ndjson"}
TEXTS = {".txt", ".md", ".rst", ""}


class UnreadableCorpus(Exception):
    """The corpus cannot be read; the message says where and why."""


@dataclass(slots=True)
class Savings:
    """The sums of one level over a corpus."""

    level: Level
    texts: int = 0
    shortened: int = 0
    before: int = 0
    after: int = 0
    seconds: float = 0.0
    estimated: bool = False
    rules: Counter[str] = field(default_factory=Counter)
    """How many texts each phrase was shortened in."""

    @property
    def saved(self) -> int:
        return self.before - self.after

    @property
    def percent(self) -> float:
        return 100 * self.saved / self.before if self.before else 0.0

    def add(self, done: Compressed, seconds: float) -> None:
        self.texts += 1
        self.shortened += done.saved > 0
        self.before += done.before
        self.after += done.after
        self.seconds += seconds
        self.estimated |= done.estimated
        self.rules.update(rule.phrase for rule in done.rules)


def measure(texts: Iterable[str], level: Level, model: str) -> Savings:
    """Compress every text at a level."""
    savings = Savings(level)
    for text in texts:
        started = time.perf_counter()
        done = compress(text, level, model)
        savings.add(done, time.perf_counter() - started)
    return savings


def read_corpus(path: Path) -> list[str]:
    """The texts of a file or of a folder's files: text files are one each, JSON Lines one or more a line."""
    if not path.exists():
        raise UnreadableCorpus(f"{path} does not exist.")
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    texts = [text for file in files for text in _texts_of(file, wanted=file == path) if text.strip()]
    if not texts:
        raise UnreadableCorpus(f"{path} holds no text: give .txt, .md or .rst files, or .jsonl with chat requests.")
    return texts


def _texts_of(path: Path, *, wanted: bool) -> Iterator[str]:
    """The texts of a file; a file that was named itself is read whatever its extension."""
    lines = path.suffix.lower() in LINES
    if not (lines or wanted or path.suffix.lower() in TEXTS):
        return
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableCorpus(f"{path} cannot be read as text: {type(error).__name__}.") from None
    if not lines:
        yield text
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield from _texts_in_line(line, f"{path}:{number}")


def _texts_in_line(line: str, place: str) -> Iterator[str]:
    """A JSON string, an object with `text`, `prompt` or `content`, or a chat request with `messages`."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise UnreadableCorpus(f"{place} is not JSON.") from None
    if isinstance(value, str):
        yield value
        return
    messages = value.get("messages") if isinstance(value, dict) else None
    if isinstance(messages, list):
        for message in messages:
            yield from _texts_in_message(message)
        return
    found = [value[name] for name in ("text", "prompt", "content") if isinstance(value, dict) and name in value]
    if not found or not isinstance(found[0], str):
        raise UnreadableCorpus(
            f"{place} is not a text, a chat request, or an object with `text`, `prompt` or `content`."
        )
    yield found[0]


def _texts_in_message(message: Any) -> Iterator[str]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        return
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]
