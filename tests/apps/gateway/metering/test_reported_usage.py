"""Usage as it is reported, estimates of what is not, and where the estimates are shown."""

from __future__ import annotations

import json

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse

from apps.gateway.metering.reported_usage import ReportedUsage, read_usage, said_tokens
from apps.gateway.models import Estimated, Interaction
from apps.gateway.proxy.answer_json import read_document
from orchestration.providers.openai.chat_assembly import find_usage


@pytest.mark.parametrize(
    ("usage", "prompt", "response", "cached"),
    [
        (None, None, None, 0),
        ([], None, None, 0),
        ({"prompt_tokens": 3, "completion_tokens": None}, 3, None, 0),
        ({"prompt_tokens": float("nan"), "completion_tokens": 1e300}, None, None, 0),
        ({"prompt_tokens": float("inf"), "completion_tokens": 2**31 - 1}, None, 2**31 - 1, 0),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4.0}}, 9, None, 4),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, 9, None, 4),
        ({"completion_tokens": 5, "total_tokens": 12}, 7, 5, 0),
        ({"prompt_tokens": 7, "total_tokens": 7}, 7, None, 0),
    ],
)
def test_counts_are_read_from_any_usage(usage, prompt, response, cached):
    found = read_usage(usage)
    assert (found.prompt, found.response, found.cached) == (prompt, response, cached)
    assert read_usage(find_usage({"x_groq": {"usage": usage}})) == (
        found if isinstance(usage, dict) else ReportedUsage()
    )


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (None, 0),
        ({"role": "assistant", "content": None, "id": "msg_123456789"}, 0),
        ({"content": "one two three"}, 3),
        ({"content": [{"type": "text", "text": "one two"}]}, 2),
        ({"refusal": "one two"}, 2),
        ({"reasoning_content": "one two", "content": "three"}, 3),
        ({"reasoning": "one two", "reasoning_details": [{"type": "reasoning.text", "text": "one two"}]}, 2),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "one two"}]}, 2),
        ({"function_call": {"name": "find", "arguments": "one"}}, 2),
        ({"tool_calls": [{"type": "custom", "custom": {"name": "find", "input": "one two"}}]}, 3),
        ({"audio": {"id": "a", "data": "A" * 4000, "transcript": "one"}}, 16),
        ({"images": [{"image_url": {"url": "data:image/png;base64," + "A" * 9999}}]}, 6240),
    ],
)
def test_everything_that_was_said_is_estimated(message, tokens):
    assert said_tokens([message]) == tokens


@pytest.mark.parametrize(
    ("raw", "value", "passed"),
    [
        (b'{"a": 1}', {"a": 1}, b'{"a": 1}'),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}, b'{"a":1}'),
        (rb'{"a":"\ud83d"}', {"a": "\ud83d"}, rb'{"a":"\ud83d"}'),
        (b'{"logprob":-Infinity,"b":NaN}', None, b'{"logprob":-9999.0,"b":null}'),
        (b'{"a":1e999}', {"a": float("inf")}, b'{"a":1e999}'),
        (b'{"a":"\xff"}', None, '{"a":"\ufffd"}'.encode()),
        (b'{"a":"x\ny"}', {"a": "x\ny"}, rb'{"a":"x\ny"}'),
        (b'{"a":%s}' % (b"9" * 5000), None, b'{"a":%s}' % (b"9" * 5000)),
        (b"[1]", None, None),
        (b'{"a":', None, None),
        (b"", None, None),
    ],
)
def test_json_is_repaired_only_where_clients_need_it(raw, value, passed):
    found = read_document(raw)
    assert (found and found.raw) == passed
    assert found is None or found.raw == raw or found.value == json.loads(found.raw)
    assert value is None or (found is not None and found.value == value)


@pytest.mark.django_db(transaction=True)
def test_estimates_are_shown_and_counted(admin_client):
    """On the usage page, on a record's page, in the metrics; a row of an older version counts as it says."""
    Interaction.objects.create(request_id="1", model="m", prompt_tokens=3, response_tokens=4, cost=1)
    old = Interaction.objects.create(request_id="2", model="m", prompt_tokens=5, tokens_estimated=True, cost=2)
    new = Interaction(request_id="3", model="m", prompt_tokens=6, cost=4)
    new.note_estimates(Estimated.RESPONSE, Estimated.COST)
    new.save()
    cache.clear()
    page = admin_client.get(reverse("admin:gateway_interaction_usage")).content.decode()
    assert "Estimated" in page
    assert '<td class="orca-number">7</td><td class="orca-number">6</td>' in page
    shown = [admin_client.get(reverse("admin:gateway_interaction_change", args=[row.pk])) for row in (old, new)]
    texts = [answer.content.decode() for answer in shown]
    assert "5 / 0, estimated" in texts[0]
    assert "6 / 0, estimated: response" in texts[1]
    assert "what was reserved" in texts[1]
    lines = admin_client.get("/metrics").content.decode().splitlines()
    assert 'orchestrai_gateway_cost_today{estimated="true"} 6.0' in lines
    assert 'orchestrai_gateway_tokens_today{estimated="false",kind="prompt"} 3.0' in lines
    assert 'orchestrai_gateway_requests_today{estimated="true"} 2.0' in lines


@pytest.mark.django_db
def test_an_older_version_still_writes_its_rows():
    """Its statements do not name the new columns."""
    Interaction.objects.create(request_id="1")
    new = {"id", "request_id", "estimated", "slot_freed"}
    columns = ", ".join(each.column for each in Interaction._meta.concrete_fields if each.name not in new)
    with connection.cursor() as cursor:
        statement = f"INSERT INTO interactions (request_id, {columns}) SELECT '2', {columns} FROM interactions"  # noqa: S608
        cursor.execute(statement)
    assert list(Interaction.objects.values_list("estimated", "slot_freed")) == [("", False)] * 2
