"""What content besides text an API takes, and whether it takes what a request has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestration.providers.capabilities import Capability
from orchestration.types import JsonObject, Message
from orchestration.values.content_parts import media_of
from orchestration.values.media_types import ENDINGS, PDF

NEEDED = {"image": Capability.IMAGES, "audio": Capability.AUDIO, "file": Capability.FILES}
"""The capability behind each kind of part."""
ALL_CONTENT = frozenset(NEEDED.values())
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
PDFS = frozenset({PDF})


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSupport:
    """What one API takes."""

    media_types: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By kind (`image`, `audio`, `file`)."""
    urls: frozenset[str] = frozenset()
    """Kinds that it fetches itself."""
    result_urls: bool = True
    """It fetches those in results of tools, too."""


TEXT_ALONE = ContentSupport()


def kinds_of(messages: Iterable[Message]) -> list[Capability]:
    """The capabilities that the content of messages needs."""
    found = {part["part"] for message in messages for part in media_of(message["content"])}
    return [capability for kind, capability in NEEDED.items() if kind in found]


def content_violations(support: ContentSupport, messages: Iterable[Message]) -> list[str]:
    """What of the content an API does not take, as `path: rule` lines."""
    return [
        f"messages[{number}].content[{position}]: {why}"
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for position, part in enumerate(message["content"])
        if (why := _why_not(support, part, is_result=message["role"] == "tool"))
    ]


def _why_not(support: ContentSupport, part: JsonObject, *, is_result: bool) -> str:
    kind = part["part"]
    if kind == "text":
        return ""
    taken = support.media_types.get(kind)
    if not taken:
        return f"it takes no {kind} here"
    if "url" in part and kind not in support.urls:
        return f"it does not fetch the URL of this {kind}; store its bytes"
    if "url" in part and is_result and not support.result_urls:
        return f"it does not fetch the URL of this {kind} in the result of a tool; store its bytes"
    media_type = part.get("media_type")
    if media_type and media_type not in taken:
        return f"it does not take {media_type}, but {', '.join(sorted(taken))}"
    return ""


# --- for wire formats ---------------------------------------------------------------------------


def data_url(part: JsonObject) -> str:
    """The address of a part: its URL, or its bytes as one."""
    url = part.get("url") or f"data:{part['media_type']};base64,{part['data']}"
    return str(url)


def file_name(part: JsonObject) -> str:
    """The name of a part, for APIs that want one."""
    return str(part.get("name") or f"{part['part']}.{ENDINGS.get(part.get('media_type', ''), 'bin')}")
