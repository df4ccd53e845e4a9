"""Masking: personal data is found, stays here, comes back in the answer, and never reaches a log."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.gateway.masking import (
    MaskingFailed,
    MaskPersonalData,
    Restorer,
    StreamRestorer,
    mask_request,
    masked_for_log,
)
from apps.gateway.masking.detectors import Kind, find_personal

PERSONAL = {
    "alice.smith+work@mail.example.co.uk": Kind.EMAIL,
    "j\u00f6rg@m\u00fcller.example": Kind.EMAIL,
    "DE89370400440532013000": Kind.IBAN,
    "GB82 WEST 1234 5698 7654 32": Kind.IBAN,
    "fr14 2004 1010 0505 0001 3m02 606": Kind.IBAN,
    "4111111111111111": Kind.CARD,
    "4111 1111 1111 1111": Kind.CARD,
    "3782-822463-10005": Kind.CARD,
    "123-45-6789": Kind.SSN,
    "912 70 1234": Kind.SSN,
    "192.168.0.17": Kind.IP,
    "2001:db8::ff00:42:8329": Kind.IP,
    "fe80::1": Kind.IP,
    "+49 (176) 1234-5678": Kind.PHONE,
    "+15551234567": Kind.PHONE,
    "(555) 123-4567": Kind.PHONE,
    "555-123-4567": Kind.PHONE,
    "555.123.4567": Kind.PHONE,
    "2125550123": Kind.PHONE,
    "0176 12345678": Kind.PHONE,
    "06 12 34 56 78": Kind.PHONE,
    "0049 30 901820": Kind.PHONE,
}
HARMLESS = (
    "4111111111111112",  # no check digit
    "1234567890123456",
    "DE89370400440532013001",
    "000000000000000000",
    "10:30:45",
    "2024-05-06 10:30",
    "01.02.2024",
    "version 5.2.19",
    "300.1.2.3",
    "std::string",
    "1,234,567.89",
    "550e8400-e29b-41d4-a716-446655440000",
    "me@home",
    "3.14159265358979",
    "1735689600",
    "call_4111111111111111x",
)


@pytest.mark.parametrize(("value", "kind"), PERSONAL.items())
def test_personal_data_is_found_whatever_stands_around_it(value, kind):
    for before, after in (("", ""), ("Write to ", ", please."), ("(", ")"), ('"', '"'), ("x: ", "\n")):
        text = f"{before}{value}{after}"
        found = [(each.kind, text[each.start : each.end]) for each in find_personal(text)]
        assert found == [(kind, value)], text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_numbers_and_signs_stay_readable(text):
    assert find_personal(f"See {text} there.") == []


def test_several_are_found_where_they_touch():
    text = "DE89 3704 0044 0532 0130 00 is mine, 4111 1111 1111 1111 5 cards, a@b.example;c@d.example/10.0.0.1"
    text += " 0176 12345678 0176 87654321 +49 176 12345678 2024 2025"
    found = [(each.kind, text[each.start : each.end]) for each in find_personal(text)]
    assert found == [
        (Kind.IBAN, "DE89 3704 0044 0532 0130 00"),
        (Kind.CARD, "4111 1111 1111 1111"),
        (Kind.EMAIL, "a@b.example"),
        (Kind.EMAIL, "c@d.example"),
        (Kind.IP, "10.0.0.1"),
        (Kind.PHONE, "0176 12345678"),
        (Kind.PHONE, "0176 87654321"),
        (Kind.PHONE, "+49 176 12345678"),
    ]


def chat(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content} for content in contents], **fields}


def test_a_request_is_masked_in_all_its_texts_and_nowhere_else():
    body = chat(
        "I am a@b.example, call 555-123-4567.",
        [{"type": "text", "text": "a@b.example again, and c@d.example"}],
        user="a@b.example",
        metadata={"customer": "123-45-6789"},
        stop=["10.1.2.3"],
        temperature=0.5,
        seed=2125550123,
        tools=[{"type": "function", "function": {"name": "f", "description": "for a@b.example"}}],
    )
    body["messages"].append(
        {"role": "assistant", "tool_calls": [{"function": {"arguments": '{"to": "a\\u0040b.example"}'}}]}
    )
    before = copy.deepcopy(body)
    masked = mask_request(body)
    assert body == before
    sent = json.dumps(masked.body)
    assert [value for value in ("a@b", "c@d", "555-123", "123-45", "10.1.2.3", "u0040") if value in sent] == []
    assert masked.body["messages"][0]["content"] == "I am [EMAIL_1], call [PHONE_1]."
    assert masked.body["messages"][1]["content"][0]["text"] == "[EMAIL_1] again, and [EMAIL_2]"
    assert (masked.body["user"], masked.body["seed"], masked.body["model"]) == ("[EMAIL_1]", 2125550123, "m")
    assert masked.restorer.text("Hello [EMAIL_2], not [EMAIL_3].") == "Hello c@d.example, not [EMAIL_3]."


def test_schema_fields_may_be_called_like_fields_of_the_api():
    properties = {
        "type": {"type": ["string", "null"], "description": "such as a@b.example"},
        "model": {"type": "string", "enum": ["a@b.example"]},
        "role": {"type": "string"},
    }
    masked = mask_request(
        chat("x", tools=[{"type": "function", "function": {"parameters": {"properties": properties}}}])
    )
    sent = json.dumps(masked.body)
    assert sent.count("[EMAIL_1]") == 2
    assert "a@b" not in sent
    assert masked.body["tools"][0]["function"]["parameters"]["properties"]["type"]["type"] == ["string", "null"]


def test_placeholders_of_the_client_are_not_taken_for_ours():
    masked = mask_request(chat("What is [EMAIL_1], [PHONE_A1]? Ask a@b.example"))
    assert masked.body["messages"][0]["content"] == "What is [EMAIL_1], [PHONE_A1]? Ask [EMAIL_B1]"
    assert masked.restorer.text("[EMAIL_1] [EMAIL_B1]") == "[EMAIL_1] a@b.example"


def test_nothing_personal_leaves_the_very_body():
    body = chat("Nothing here.", seed=1)
    masked = mask_request(body)
    assert masked.body is body
    assert not masked.restorer


@pytest.mark.parametrize(
    "body",
    [
        chat([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
        chat([{"type": "input_audio", "input_audio": {"data": "AAAA"}}]),
        chat([{"type": "file", "file": {"file_data": "AAAA"}}]),
        chat([{"type": "input_image", "image": "data:image/png;base64,AAAA"}]),
        {"model": "m", "input": [[72, 101, 108]]},
        {"model": "m", "input": [72, 101, 108]},
        chat("x", metadata={"a@b.example": "x"}),
        chat("x", extra={"card": 4111111111111111}),
        chat("x", customer=4111111111111111),
        chat("x", stop=[4111111111111111]),
    ],
)
def test_what_cannot_be_masked_is_refused_without_quoting_it(body):
    with pytest.raises(MaskingFailed) as refused:
        mask_request(body)
    assert find_personal(str(refused.value)) == []
    assert "AAAA" not in str(refused.value)


VALUES = st.sampled_from(sorted(PERSONAL))
PIECES = st.lists(
    st.one_of(VALUES, st.sampled_from(["[", "[EMAIL_", "[EMAIL_1", "]", "[[", " ", "x"]), st.text(max_size=9))
)


@settings(max_examples=100, deadline=None)
@example(["[", "4111111111111111", "]"])
@given(PIECES)
def test_masking_any_text_leaves_nothing_personal_and_comes_back(pieces):
    text = " ".join(pieces)
    try:
        masked = mask_request(chat(text))
    except MaskingFailed:
        return
    content = masked.body["messages"][0]["content"]
    assert find_personal(content) == []
    assert masked.restorer.text(content) == text
    whole = orjson.dumps({"content": content, "arguments": json.dumps({"text": content})})
    restored = orjson.loads(masked.restorer.raw(whole))
    assert restored["content"] == text
    assert json.loads(restored["arguments"])["text"] == text


PLACEHOLDERS = {"[EMAIL_1]": "a@b.example", "[EMAIL_12]": "long@c.example", "[PHONE_1]": "555-123-4567"}
ANSWERS = st.lists(
    st.one_of(
        st.sampled_from([*PLACEHOLDERS, "[EMAIL_", "[EMAIL_13]", "[", "]", "[[EMAIL_1]", "[PHO", "[PHONE_1"]),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)


def chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]}


@settings(max_examples=100, deadline=None)
@given(ANSWERS, st.lists(st.integers(1, 6), min_size=1), st.booleans())
def test_a_stream_is_restored_wherever_it_is_cut(answer, sizes, ends):
    restorer = Restorer(PLACEHOLDERS)
    stream = StreamRestorer(restorer)
    shown, position, turn = [], 0, 0
    while position < len(answer):
        size = sizes[turn % len(sizes)]
        piece = stream.feed(chunk(answer[position : position + size]))["choices"][0]["delta"]["content"]
        shown.append(piece)
        position, turn = position + size, turn + 1
        seen = "".join(shown)
        assert restorer.text(answer).startswith(seen)
        assert [name for name in PLACEHOLDERS if name in seen] == []
    if ends:
        last = stream.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})["choices"]
    else:
        last = stream.rest()
    shown += [choice["delta"].get("content", "") for choice in last]
    assert "".join(shown) == restorer.text(answer)
    assert stream.rest() == []


def test_choices_and_tool_calls_of_a_stream_are_restored_apart():
    stream = StreamRestorer(Restorer(PLACEHOLDERS))
    call = {"index": 0, "id": "c", "function": {"name": "send", "arguments": '{"to": "[EMA'}}
    first = stream.feed(
        {
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": "Hi [EMAIL"}},
                {"index": 1, "delta": {"tool_calls": [call]}},
            ]
        }
    )
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Hi "}
    assert first["choices"][1]["delta"]["tool_calls"][0]["function"] == {"name": "send", "arguments": '{"to": "'}
    second = stream.feed(
        {
            "choices": [
                {"index": 1, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": 'IL_1]"}[P'}}]}},
                {"index": 0, "delta": {"content": "_12]!", "refusal": None}},
            ]
        }
    )
    assert second["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == 'a@b.example"}'
    assert second["choices"][1]["delta"]["content"] == "long@c.example!"
    last = stream.feed({"choices": [{"index": 1, "delta": None, "finish_reason": "length"}], "usage": None})
    assert last["choices"][0]["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": "[P"}}]}
    assert stream.feed({"choices": [], "usage": {"total_tokens": 1}}) == {"choices": [], "usage": {"total_tokens": 1}}
    assert stream.rest() == []


def logged(message: str, *arguments: object, error: Exception | None = None) -> str:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, message, arguments, None)
    if error is not None:
        try:
            raise error
        except type(error) as raised:
            record.exc_info = (type(raised), raised, raised.__traceback__)
    assert MaskPersonalData().filter(record)
    return logging.Formatter().format(record)


def test_logs_hold_no_personal_data():
    for value, kind in PERSONAL.items():
        assert masked_for_log(f"user={value} came") == f"user=[{kind}] came"
    assert logged("from %s to %s", "a@b.example", 5) == "from [EMAIL] to 5"
    assert logged("at 127.0.0.1 and ::1 but 10.0.0.1") == "at 127.0.0.1 and ::1 but [IP]"
    told = logged("failed", error=ValueError("no such user a@b.example"))
    assert "no such user [EMAIL]" in told
    assert "a@b.example" not in told
    assert "do not fit" in logged("%s %s", "a@b.example")
    assert len(masked_for_log("x" * 1_000_000)) < 21_000
