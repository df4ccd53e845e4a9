"""Parts of messages as JSON: what is one, what refers to what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.errors import ContentRefused
from orchestration.values.content_parts import (
    Reference,
    content_of,
    has_parts,
    in_words,
    is_part,
    may_refer,
    reference_part,
    references_in,
    text_of_content,
)

A, B = "a" * 64, "b" * 64


def part(digest: str = A, **fields: Any) -> dict[str, Any]:
    found = Reference(digest=digest, kind="image", media_type="image/png", size=7, name="x.png")
    return reference_part(found) | fields


NOT_PARTS: list[Any] = [
    None,
    "text",
    {},
    {"part": "text"},
    {"part": "text", "text": 1},
    {"part": "text", "text": "a", "more": 1},
    {"part": "video", "url": "https://a.example.com"},
    {"part": "image"},
    {"part": ["image"], "url": "https://a.example.com"},
    {"part": "image", "url": 1},
    {"type": "image", "url": "https://a.example.com"},
    part(content=f"sha256:{A[:-1]}"),
    part(content=f"sha256:{A.upper()}"),
    part(content=f"sha256:{A}\n"),
    part(content=1),
    part(size="7"),
    part(size=True),
    part(size=None),
    part(name=None),
    part(media_type=None),
    part(data="AAAA"),
    part(url="https://a.example.com"),
]


@pytest.mark.parametrize("value", NOT_PARTS)
def test_what_is_not_a_part(value: Any) -> None:
    assert not is_part(value)
    if not isinstance(value, str):
        with pytest.raises(ContentRefused, match="its message"):
            content_of([value], "its message")


def test_texts_that_follow_each_other_are_joined() -> None:
    assert content_of("a", "x") == "a"
    assert content_of(["a", "", "  ", "b"], "x") == "a\n\nb"
    assert content_of([], "x") == ""
    assert content_of(part(), "x") == [part()]
    mixed = content_of(["a", {"part": "text", "text": "b"}, part(), "c"], "x")
    assert mixed == [{"part": "text", "text": "a\n\nb"}, part(), {"part": "text", "text": "c"}]
    assert text_of_content(mixed) == "a\n\nb\n\nc"
    assert in_words(mixed) == "a\n\nb\n\n[image: x.png, image/png, 7 bytes]\n\nc"


def test_what_instructs_has_text_alone() -> None:
    assert content_of(["a", "b"], "x", media=False) == "a\n\nb"
    with pytest.raises(ContentRefused, match=r"x\[1\]"):
        content_of(["a", part()], "x", media=False)


def test_references_are_found_anywhere_and_once() -> None:
    deep: Any = {"a": [{"b": part(B)}, part(A)], "again": part(B), "text": f"sha256:{'c' * 64}"}
    assert [found.digest for found in references_in(deep, [part(A)], None, 7)] == [B, A]
    assert references_in({"content": f"sha256:{A}"}) == []
    assert may_refer('{"content": "sha256:')
    assert not may_refer("sha256:")


def test_a_tools_result_is_content_only_with_a_part() -> None:
    assert has_parts(part())
    assert has_parts(["a", part()])
    for value in ("a", ["a"], [], {"image": part()}, [part(), 1], [{"part": "text", "text": "a"}], None):
        assert not has_parts(value)
