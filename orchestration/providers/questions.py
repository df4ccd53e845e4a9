"""What a request to the simulated provider asks for, on either surface."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from orchestration.errors import InvalidCall
from orchestration.types import JsonObject

CHAT = "/chat/completions"
RESPONSES = "/responses"
ANY_OBJECT: JsonObject = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
"""What JSON mode without a schema gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request's body, read."""

    path: str
    model: str
    texts: tuple[str, ...]
    """The text of each message, in order."""
    last_user_message: str
    schema: JsonObject | None
    stream: bool
    stream_usage: bool

    @property
    def digest(self) -> str:
        """16 hex digits of the messages."""
        return hashlib.blake2b(orjson.dumps(self.texts), digest_size=8).hexdigest()


def read_question(path: str, raw: bytes) -> Question:
    """The question in a request's body; InvalidCall when the real provider would answer 400."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCall("The body is not JSON.") from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InvalidCall("The body must be an object with a `model`.")
    if body.get("stream") is True and path != CHAT:
        raise InvalidCall(f"The simulator streams {CHAT} only.")
    messages = _messages(body, "messages" if path == CHAT else "input")
    texts = tuple(_text(message.get("content")) for message in messages)
    spoken = [text for message, text in zip(messages, texts, strict=True) if message.get("role") == "user"]
    return Question(
        path=path,
        model=body["model"],
        texts=texts,
        last_user_message=spoken[-1] if spoken else "",
        schema=_schema(body, path),
        stream=body.get("stream") is True,
        stream_usage=_object(body.get("stream_options")).get("include_usage") is True,
    )


def _messages(body: JsonObject, field: str) -> list[JsonObject]:
    messages = body.get(field)
    if isinstance(messages, str) and field == "input":
        return [{"role": "user", "content": messages}]
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise InvalidCall(f"`{field}` must be a list of messages, at least one.")
    return messages


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _schema(body: JsonObject, path: str) -> JsonObject | None:
    if path == CHAT:
        output_format = _object(body.get("response_format"))
        described = _object(output_format.get("json_schema"))
    else:
        output_format = described = _object(_object(body.get("text")).get("format"))
    kind = output_format.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return ANY_OBJECT
    schema = described.get("schema")
    if kind != "json_schema" or not isinstance(schema, dict) or not described.get("name"):
        raise InvalidCall("The output format must be `text`, `json_object`, or `json_schema` with a name and a schema.")
    return schema


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
