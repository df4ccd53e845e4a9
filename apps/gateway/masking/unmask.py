"""Replaces placeholders by their values: in a whole answer, and in a stream, wherever its chunks are split."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from apps.gateway.masking.json_text import is_json_text, quoted_value
from orchestration.providers.streams.delta_fields import NAMES, PIECEWISE, names_call

DEEPEST = 50
Place = tuple[Any, ...]
"""A choice's index, then names of fields and indexes of items; None: the last item of a list without indexes."""
PLACEHOLDER = re.compile(
    r'(?P<quote>(?:\\{0,7}")?)(?P<open>\\{0,4})\[(?P<kind>[A-Z]{2,10})\\{0,2}_(?P<number>[A-Z]*\d+)(?P<close>\\{0,2})\]'
    r'(?P<end>(?:\\{0,7}")?)'
)
"""As Markdown writes it, too: with a backslash before a bracket and a line, or with two of them within JSON."""
BEGINNING = re.compile(
    r'(?:(?<![\]\\])\\{0,7}")?\\*'
    r"(?:\[(?:[A-Z]+\\*(?:_[A-Z]*(?:\d+\\*(?:\]\\{0,7})?)?)?)?)?$"
)
LONGEST = 64
"""Characters of a placeholder with all its backslashes."""
JSON_FIELDS = frozenset({"arguments", "partial_json"})
TEXT_FIELDS = frozenset({"content", "text"})
OBJECT_FIELDS = frozenset({"input", "arguments"})
"""Where a tool's arguments are, as an object with numbers of its own."""
WITHIN = "{}"
"""In place of the names of fields within such an object."""


class Restorer:
    """Knows the placeholders of one request.

    `numbers`: those of numbers in JSON, which lose the quotation marks around them again. `json_content`: the texts of
    the answer are JSON, so that values are escaped in them.
    """

    def __init__(
        self, placeholders: Mapping[str, str], *, numbers: Collection[str] = (), json_content: bool = False
    ) -> None:
        self._values = dict(placeholders)
        self._numbers = frozenset(numbers)
        self._json_content = json_content
        self._beginnings = frozenset(
            placeholder[:length] for placeholder in self._values for length in range(1, len(placeholder))
        )

    def __bool__(self) -> bool:
        """Whether anything was masked."""
        return bool(self._values)

    def text(self, text: str, *, as_json: bool = False) -> str:
        """A whole text with every placeholder replaced; `as_json`: values are written as within JSON's texts."""
        return PLACEHOLDER.sub(lambda match: self._restored(match, as_json), text) if "[" in text else text

    def raw(self, answer: bytes) -> bytes:
        """A whole answer's bytes."""
        try:
            value = json.loads(answer)
            restored = json.dumps(self.value(value), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return self.text(answer.decode(errors="surrogateescape"), as_json=True).encode(errors="surrogateescape")
        try:
            return restored.encode()
        except UnicodeEncodeError:  # half a surrogate pair, as an escape
            return json.dumps(json.loads(restored), separators=(",", ":")).encode()

    def value(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """A JSON value, restored in all its texts; `name` is that of its field."""
        if isinstance(value, str):
            if name == WITHIN and value in self._numbers:
                return json.loads(self._values[value])
            is_json = name in TEXT_FIELDS and not self._json_content and is_json_text(value)
            return self.text(value, as_json=is_json or self.is_json(name))
        if isinstance(value, dict) and depth < DEEPEST:
            within = WITHIN if name == WITHIN or name in OBJECT_FIELDS else ""
            done = {key: self.value(each, within or key, depth + 1) for key, each in value.items()}
            return self._logprobs(done, value) if name == "logprobs" else done
        if isinstance(value, list) and depth < DEEPEST:
            return [self.value(each, name, depth + 1) for each in value]
        return value

    def is_json(self, name: str) -> bool:
        """Whether the text of a field is always JSON."""
        return name in JSON_FIELDS or (name in TEXT_FIELDS and self._json_content)

    def split(self, text: str, *, as_json: bool = False) -> tuple[str, str]:
        """The restored text that may be shown, and the end that may be the beginning of a placeholder."""
        begun = self.held(text)
        return self.text(text[: len(text) - begun], as_json=as_json), text[len(text) - begun :]

    def held(self, text: str) -> int:
        """How many characters at the end may be the beginning of a placeholder."""
        match = BEGINNING.search(text, max(0, len(text) - LONGEST))
        begun = match[0] if match is not None else ""
        if not self._numbers:
            begun = begun.removeprefix('"')
        plain = begun.replace("\\", "").removeprefix('"')
        is_whole_number = begun.lstrip("\\").startswith('"') and plain in self._numbers
        return len(begun) if not plain or plain in self._beginnings or is_whole_number else 0

    def tokens(self, tokens: list[str]) -> list[str]:
        """The tokens of a text, restored: a value stands in the first token of its placeholder."""
        text, done, position = "".join(tokens), [""] * len(tokens), 0
        ends = [0]
        for token in tokens:
            ends.append(ends[-1] + len(token))
        for match in PLACEHOLDER.finditer(text):
            value = self._restored(match, as_json=False)
            if value != match[0]:
                _share(done, ends, text, position, match.start())
                done[_token_at(ends, match.start())] += value
                position = match.end()
        _share(done, ends, text, position, len(text))
        return done

    def _logprobs(self, done: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        """The probabilities of an answer's tokens, restored over all tokens of a placeholder."""
        for name, items in value.items():
            if isinstance(items, list) and items and all(map(_is_token, items)):
                done[name] = self.token_items(items)
            elif name == "tokens" and isinstance(items, list) and all(isinstance(each, str) for each in items):
                done[name] = self.tokens(items)
        return done

    def token_items(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Tokens with their bytes and probabilities, restored."""
        restored = self.tokens([item["token"] for item in items])
        return [
            item if token == item["token"] else item | _token_fields(item, token)
            for item, token in zip(items, restored, strict=True)
        ]

    def _restored(self, match: re.Match[str], as_json: bool) -> str:
        placeholder = f"[{match['kind']}_{match['number']}]"
        value = self._values.get(placeholder)
        opening, closing = match["open"], match["close"]
        if value is None or not opening.endswith(closing):
            return match[0]
        opening = opening.removesuffix(closing)
        if match["quote"] and match["quote"] == match["end"] and not opening and placeholder in self._numbers:
            return value
        return f"{match['quote']}{opening}{quoted_value(value) if as_json else value}{match['end']}"


def _is_token(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("token"), str)


def _token_fields(item: dict[str, Any], token: str) -> dict[str, Any]:
    as_bytes = {"bytes": list(token.encode(errors="replace"))} if isinstance(item.get("bytes"), list) else {}
    return {"token": token, **as_bytes}


def _token_at(ends: list[int], place: int) -> int:
    return bisect.bisect_right(ends, place) - 1


def _share(done: list[str], ends: list[int], text: str, start: int, end: int) -> None:
    """Give `text[start:end]` to the tokens that it came from."""
    while start < end:
        token = _token_at(ends, start)
        stop = min(end, ends[token + 1])
        done[token] += text[start:stop]
        start = stop


class StreamRestorer:
    """Restores the chunks of one stream, in whichever field. A placeholder that is split is held back until it is
    complete."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._held: dict[Place, str] = {}
        """The end of each text so far."""
        self._json: dict[Place, bool] = {}
        """Which of them began like an object in JSON."""
        self._tokens: dict[Place, list[dict[str, Any]]] = {}
        """The last tokens with their probabilities, as far as a placeholder may begin in them."""

    def feed(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk as the client may see it. The end of a choice brings what was held back."""
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._feed_choice(choice)
        return {name: value if name == "choices" else self._whole(value) for name, value in chunk.items()}

    def rest(self) -> list[dict[str, Any]]:
        """The choices' deltas with what is still held back, for a stream that ended early; then nothing is held."""
        choices: list[dict[str, Any]] = []
        for index in sorted({place[0] for place in (*self._held, *self._tokens)}):
            choice: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": None}
            self._release(index, choice)
            if choice["delta"] or len(choice) > 3:
                choices.append(choice)
        return choices

    def _feed_choice(self, choice: dict[str, Any]) -> None:
        index = choice["index"] if isinstance(choice.get("index"), int) else 0
        for name, value in choice.items():
            if name == "delta" and isinstance(value, dict):
                self._feed(value, (index,))
            elif name == "text" and isinstance(value, str):  # of `/completions`
                choice[name] = self._fed_text(name, value, (index, name))
            elif name == "logprobs" and isinstance(value, dict):
                choice[name] = {key: self._fed_tokens(each, (index, key)) for key, each in value.items()}
            else:
                choice[name] = self._whole(value)
        if choice.get("finish_reason") is not None:
            if not isinstance(choice.get("delta"), dict) and not isinstance(choice.get("text"), str):
                choice["delta"] = {}
            self._release(index, choice)

    def _feed(self, piece: dict[str, Any], place: Place) -> None:
        for name, value in piece.items():
            if isinstance(value, str) and name not in NAMES:
                piece[name] = self._fed_text(name, value, (*place, name))
            elif isinstance(value, dict) and len(place) < DEEPEST:
                self._feed(value, (*place, name))
            elif isinstance(value, list):
                piece[name] = self._fed_list(name, value, (*place, name))
            else:
                piece[name] = self._whole(value)

    def _fed_text(self, name: str, text: str, place: Place) -> str:
        if text.strip() and place not in self._json:
            self._json[place] = name in TEXT_FIELDS and text.lstrip().startswith("{")
        is_json = self._json.get(place, False) or self._restorer.is_json(name)
        shown, self._held[place] = self._restorer.split(self._held.pop(place, "") + text, as_json=is_json)
        return shown

    def _fed_tokens(self, items: Any, place: Place, *, is_last: bool = False) -> Any:
        """The tokens that can be shown, with those that were held back before."""
        if not isinstance(items, list) or not all(map(_is_token, items)):
            return self._whole(items)
        items = self._tokens.pop(place, []) + items
        held = 0 if is_last else self._restorer.held("".join(item["token"] for item in items))
        shown = len(items)
        while held > 0:
            shown -= 1
            held -= len(items[shown]["token"])
        if items[shown:]:
            self._tokens[place] = items[shown:]
        return self._restorer.token_items(self._whole(items[:shown]))

    def _fed_list(self, name: str, items: list[Any], place: Place) -> list[Any]:
        """The list with what was held of an item before the one that follows it."""
        fed: list[Any] = []
        for item in items:
            index = item.get("index") if isinstance(item, dict) else None
            index = index if isinstance(index, int) else None
            if not isinstance(item, dict) or len(place) >= DEEPEST or (index is None and name not in PIECEWISE):
                fed.append(self._whole(item))
                continue
            if index is None and (fed or item.get("id") or names_call(item)):
                self._end_item(fed, (*place, None))
            self._feed(item, (*place, index))
            fed.append(item)
        return fed

    def _end_item(self, fed: list[Any], place: Place) -> None:
        """An item without an index ends: what was held of it belongs to it, or to a last piece of it."""
        held = {here: text for here, text in self._held.items() if here[: len(place)] == place}
        for here in held:
            del self._held[here]
        last = fed.pop() if fed and isinstance(fed[-1], dict) else {}
        for here, text in held.items():
            if text:
                _put(last, here[len(place) :], text)
        fed.extend([last] if last else [])

    def _release(self, index: int, choice: dict[str, Any]) -> None:
        """What was held of a choice that ends."""
        for place in [place for place in self._held if place[0] == index]:
            text = self._held.pop(place)
            if text:
                _put(choice.get("delta", choice), place[1:], text)
        for place in [place for place in self._tokens if place[0] == index]:
            before = choice.get("logprobs")
            choice["logprobs"] = fields = before if isinstance(before, dict) else {}
            shown = fields.get(place[1])
            fields[place[1]] = (shown if isinstance(shown, list) else []) + self._fed_tokens([], place, is_last=True)

    def _whole(self, value: Any) -> Any:
        return self._restorer.value(value)


def _put(target: dict[str, Any], place: Place, text: str) -> None:
    """Append a text at its place below an object, which is made as far as it is missing."""
    name, *rest = place
    if not rest:
        before = target.get(name)
        if isinstance(before, list):  # a text that continues as a list of parts
            before.insert(0, {"type": "text", "text": text})
        else:
            target[name] = before + text if isinstance(before, str) else text
    elif isinstance(rest[0], str):
        _put(_made(target, name, {}), tuple(rest), text)
    else:
        items = _made(target, name, [])
        index = rest[0]
        found = next((each for each in items if isinstance(each, dict) and each.get("index") == index), None)
        if found is None:
            found = {} if index is None else {"index": index}
            items.append(found)
        _put(found, tuple(rest[1:]), text)


def _made(target: dict[str, Any], name: Any, empty: Any) -> Any:
    if not isinstance(target.get(name), type(empty)):
        target[name] = empty
    return target[name]
