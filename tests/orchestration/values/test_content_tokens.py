"""The estimate of what content will be in tokens."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.values.content_tokens import content_tokens


def part(kind: str, size: int) -> dict[str, Any]:
    return {"part": kind, "content": f"sha256:{'0' * 64}", "media_type": "x/y", "size": size}


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (part("image", 5_000_000), 1000),
        (part("file", 1), 2000),
        (part("file", 120_000), 6000),
        (part("audio", 16_000), 16),
        ({"part": "audio", "url": "https://a.example.com/a"}, 1),
        ({"a": [{"b": [part("image", 1)]}, part("image", 1)]}, 2000),
        ({"part": "image"}, 0),
        ({"part": "text", "text": "x"}, 0),
        ("sha256:", 0),
        (None, 0),
    ],
)
def test_parts_are_counted_wherever_they_are(value: Any, tokens: int) -> None:
    assert content_tokens(value, "other") == tokens
