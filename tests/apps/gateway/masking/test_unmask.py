"""What was masked comes back as it was sent, in every field of an answer and of a stream, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.gateway.masking import Finder, MaskingFailed, Restorer, StreamRestorer, mask_request
from apps.gateway.masking.detectors import find_personal
from apps.gateway.models import KeyPolicy
from tests.apps.gateway.masking.values import PEM, PERSONAL

VALUES = sorted(value for values in PERSONAL.values() for value in values)
PLACEHOLDERS = {"[EMAIL_1]": "a@b.example", "[SECRET_1]": 'two\nlines "and" \\more', "[PHONE_1]": "0176 12345678"}
MARKDOWN = ("[EMAIL_1]", r"\[EMAIL\_1\]", r"[EMAIL\_1]", r"\[EMAIL_1\]")


def chat(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], **fields}


def sent(body: dict[str, Any], **more: Any) -> tuple[Any, Restorer]:
    """What the provider sees of the first message, and what restores the answer."""
    masked = mask_request(body, **more)
    return masked.body["messages"][0]["content"], masked.restorer


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def streamed(restorer: Restorer, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The choices that the client gets for these deltas, and for the end."""
    stream = StreamRestorer(restorer)
    chunks = [stream.feed(delta(**piece)) for piece in pieces]
    end = stream.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [chunk["choices"][0] for chunk in (*chunks, end)]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_with_its_own_separators(value):
    text = f"It is {value}, I think."
    content, restorer = sent(chat(text))
    assert find_personal(content) == []
    assert restorer.text(content) == text
    answer = {"choices": [{"message": {"content": content, "tool_calls": [{"custom": {"input": content}}]}}]}
    message = json.loads(restorer.raw(json.dumps(answer).encode()))["choices"][0]["message"]
    assert message == {"content": text, "tool_calls": [{"custom": {"input": text}}]}


@pytest.mark.parametrize("written", MARKDOWN)
def test_a_placeholder_in_markdown_is_restored(written):
    restorer = Restorer(PLACEHOLDERS)
    assert restorer.text(f"**{written}**") == "**a@b.example**"
    assert restorer.text(json.dumps({"to": written}), as_json=True) == '{"to": "a@b.example"}'
    for cut in range(1, len(written)):
        pieces = [{"content": "x " + written[:cut]}, {"content": written[cut:] + " y"}]
        shown = "".join(choice["delta"].get("content", "") for choice in streamed(restorer, pieces))
        assert shown == "x a@b.example y"


def test_what_the_model_made_up_stays():
    restorer = Restorer(PLACEHOLDERS)
    for text in ("[EMAIL_2]", "[NAME_1]", "EMAIL_1", "[email_1]", r"C:\x", "\\[x\\]", "[EMAIL_1", "[[PHONE_12]]"):
        assert restorer.text(text) == text
    assert restorer.text(r"C:\[EMAIL_1]\x") == r"C:\a@b.example\x"


def test_arguments_of_functions_stay_json():
    restorer = Restorer(PLACEHOLDERS)
    arguments = '{"key": "[SECRET_1]", "to": "[EMAIL_1]"}'
    wanted = {"key": PLACEHOLDERS["[SECRET_1]"], "to": "a@b.example"}
    message = {"tool_calls": [{"function": {"arguments": arguments}}], "function_call": {"arguments": arguments}}
    done = json.loads(restorer.raw(json.dumps(message).encode()))
    assert json.loads(done["tool_calls"][0]["function"]["arguments"]) == wanted
    assert json.loads(done["function_call"]["arguments"]) == wanted
    for size in (1, 3, 7):
        pieces = [arguments[place : place + size] for place in range(0, len(arguments), size)]
        calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
        shown = [choice["delta"].get("tool_calls", []) for choice in streamed(restorer, calls)]
        assert json.loads("".join(each[0]["function"]["arguments"] for each in shown if each)) == wanted
        legacy = [{"function_call": {"arguments": piece}} for piece in pieces]
        shown = [choice["delta"].get("function_call", {}) for choice in streamed(restorer, legacy)]
        assert json.loads("".join(each.get("arguments", "") for each in shown)) == wanted


def test_json_in_a_text_stays_json():
    restorer = Restorer(PLACEHOLDERS)
    answer = {"content": '{"key": "[SECRET_1]"}'}
    assert json.loads(restorer.value(answer)["content"])["key"] == PLACEHOLDERS["[SECRET_1]"]
    pieces = [{"content": piece} for piece in ('{"key"', ': "[SEC', 'RET_1]"}')]
    shown = "".join(choice["delta"].get("content", "") for choice in streamed(restorer, pieces))
    assert json.loads(shown)["key"] == PLACEHOLDERS["[SECRET_1]"]


def test_numbers_in_json_stay_numbers():
    record = '{"card": 4111111111111111, "list": [2125550123, 5], "note": "call 2125550123", "age": 30}'
    for text in (record, json.dumps(json.loads(record), indent=1), f"Mend this: {record}"):
        content, restorer = sent(chat(text))
        assert find_personal(content) == []
        assert json.loads(content[content.index("{") :])["card"] == "[CARD_1]"
        assert restorer.text(content) == text
        pieces = [{"content": sign} for sign in content]
        assert "".join(each["delta"].get("content", "") for each in streamed(restorer, pieces)) == text


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("indent", [None, 1])
def test_numbers_in_json_within_json_stay_numbers(depth, indent):
    """At each depth it is JSON for the provider, and comes back as it was sent, wherever a stream is cut."""
    record: Any = {"card": 4111111111111111, "list": [2125550123, 5], "note": "call 2125550123", "age": 30}
    text = json.dumps(record, indent=indent)
    for _ in range(depth):
        text = json.dumps({"body": text}, indent=indent)
    content, restorer = sent(chat(text))
    assert find_personal(content) == []
    inner = content
    for _ in range(depth):
        inner = json.loads(inner)["body"]
    assert json.loads(inner) == {"card": "[CARD_1]", "list": ["[PHONE_1]", 5], "note": "call [PHONE_2]", "age": 30}
    assert restorer.text(content) == text
    pieces = [{"content": sign} for sign in content]
    assert "".join(each["delta"].get("content", "") for each in streamed(restorer, pieces)) == text


@pytest.mark.parametrize("text", ['{"card": -4111111111111111}', '{"card": 4111111111111111.5}'])
def test_a_part_of_a_number_is_refused(text):
    with pytest.raises(MaskingFailed, match=r"messages\[0\]\.content has a number"):
        mask_request(chat(text))


def test_numbers_of_fields_become_text_where_that_fits():
    body = chat("x", metadata={"card": 4111111111111111}, user=4111111111111111, seed=2125550123)
    masked = mask_request(body)
    assert (masked.body["metadata"]["card"], masked.body["user"]) == ("[CARD_1]", "[CARD_1]")
    assert masked.body["seed"] == 2125550123
    with pytest.raises(MaskingFailed, match=r"extra\.deep\.card is a number"):
        mask_request(chat("x", extra={"deep": {"card": 4111111111111111}}))


def test_numbers_of_a_schema_are_not_personal():
    schema = {"type": "integer", "minimum": 2125550123, "maximum": 4111111111111111, "default": 4111111111111111}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"n": schema}}}}
    body = chat("x", tools=[tool], response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert mask_request(body).body is body


@pytest.mark.parametrize(
    "pieces",
    [
        ["My card: 4111 1111", " 1111 1111 is new"],
        ["call 0176", "12345678 now"],
        ["to alice@exam", "ple.com, please"],
        ["4111", "1111", "1111", "1111"],
        ["123-45", "6789"],
    ],
)
def test_values_split_over_parts_are_masked(pieces):
    parts, restorer = sent(chat([{"type": "text", "text": piece} for piece in pieces]))
    texts = [part["text"] for part in parts]
    assert find_personal("".join(texts)) == find_personal("\n".join(texts)) == []
    assert all(texts)
    assert restorer.text("".join(texts)) == "".join(pieces)


def token(text: str) -> dict[str, Any]:
    return {"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}


TOKENS = ["To", " [", "EMAIL", "_", "1", "],", " [", "PHONE", "_1", "]", "!", " ["]


def test_placeholders_in_logprobs_are_restored():
    restorer = Restorer(PLACEHOLDERS)
    whole = restorer.value({"logprobs": {"content": [token(each) for each in TOKENS], "refusal": None}})["logprobs"]
    assert [each["token"] for each in whole["content"][:6]] == ["To", " a@b.example", "", "", "", ","]
    assert all(bytes(each["bytes"]).decode() == each["token"] for each in whole["content"])
    assert restorer.value({"logprobs": {"tokens": TOKENS}})["logprobs"]["tokens"][1] == " a@b.example"
    stream = StreamRestorer(restorer)
    shown = []
    for each in TOKENS:
        choice = {"index": 0, "delta": {"content": each}, "logprobs": {"content": [token(each)]}}
        fed = stream.feed({"choices": [choice]})["choices"][0]
        shown += [item["token"] for item in fed["logprobs"]["content"]]
        assert "EMAIL" not in fed["delta"]["content"]
    rest = stream.rest()[0]
    shown += [item["token"] for item in rest["logprobs"]["content"]]
    assert "".join(shown) == restorer.text("".join(TOKENS))
    assert len(shown) == len(TOKENS)


def test_every_field_of_a_stream_is_restored():
    fields = (
        lambda text: {"refusal": text},
        lambda text: {"audio": {"id": "a", "transcript": text}},
        lambda text: {"content": [{"type": "text", "text": text}]},
        lambda text: {"tool_calls": [{"index": 0, "custom": {"input": text}}]},
        lambda text: {"reasoning_content": text},
        lambda text: {"of_tomorrow": {"deep": text}},
    )
    for field in fields:
        text = json.dumps(
            streamed(Restorer(PLACEHOLDERS), [field("to [EMA"), field("IL_1] and [PHO"), field("NE_1].")])
        )
        assert "EMA" not in text
        assert "PHO" not in text
        assert "a@b.example" in text
        assert "0176 12345678" in text
    whole = Restorer(PLACEHOLDERS).value({"annotations": [{"url_citation": {"title": "[EMAIL_1]"}}]})
    assert whole["annotations"][0]["url_citation"]["title"] == "a@b.example"


def test_escapes_of_earlier_arguments_are_understood():
    arguments = json.dumps({"pem": PEM, "to": "a@b.example"}).replace("@", "\\u0040")
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    masked = mask_request({"model": "m", "messages": [call, {"role": "user", "content": PEM}]})
    shown = masked.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(shown) == {"pem": "[SECRET_1]", "to": "[EMAIL_1]"}
    assert masked.body["messages"][1]["content"] == "[SECRET_1]"
    assert json.loads(masked.restorer.text(shown, as_json=True)) == json.loads(arguments)


def test_terms_of_a_policy_are_masked():
    finder = Finder(("Ada Lovelace", "12 St James's Square", "M\u00fcller"))
    text = "ADA\u00a0Lovelace and m\u00fcller live at 12 St. James\u2019s Square; Adam and Ada do not."
    content, restorer = sent(chat(text), finder=finder)
    assert content == "[NAME_1] and [NAME_2] live at [ADDRESS_1]; Adam and Ada do not."
    assert restorer.text(content) == text


def recognize(text: str) -> list[tuple[int, int, str]]:
    return [(text.index("Eve"), text.index("Eve") + 3, "NAME")] if "Eve" in text else []


def fail(text: str) -> list[tuple[int, int, str]]:
    raise RuntimeError(text)


def test_a_recognizer_finds_names_or_refuses():
    assert sent(chat("I am Eve."), finder=Finder(recognizer=recognize))[0] == "I am [NAME_1]."
    with pytest.raises(MaskingFailed, match="search for personal data failed"):
        mask_request(chat("I am Eve."), Finder(recognizer=fail))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*VALUES, "[EMAIL_1]", "\\[", "{", '"', " ", "x, "]), min_size=1, max_size=6))
def test_any_text_comes_back_through_a_stream(pieces):
    text = "; ".join(pieces)
    try:
        content, restorer = sent(chat(f"- {text}"))
    except MaskingFailed:
        return
    shown = streamed(restorer, [{"content": sign} for sign in content])
    assert "".join(choice["delta"].get("content", "") for choice in shown) == f"- {text}"


@pytest.mark.parametrize("terms", ["Ada", [""], ["?!"], ["x" * 201], [5], {"a": 1}, ["ab"] * 5001])
def test_a_policy_takes_only_lists_of_terms(terms):
    with pytest.raises(ValidationError, match="list of at most 5000"):
        KeyPolicy(masked_terms=terms).clean()
    KeyPolicy(masked_terms=["Ada Lovelace"]).clean()
