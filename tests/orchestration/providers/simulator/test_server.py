"""The simulated provider as a server: its control paths, its request log, and the SDK's own calls against it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.hashing_embedder import hashed_vector
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.orchestration.providers.asking import Send, question, send_once


def fetch(server: SimulatedProviderServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = server.base_url.removesuffix("/v1") + path
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            content = response.read()
            return response.status, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def sdk(server: SimulatedProviderServer) -> openai.OpenAI:
    return openai.OpenAI(api_key="x", base_url=server.base_url, max_retries=0, timeout=10)


def test_a_script_is_posted_and_deleted(send: Send, server: SimulatedProviderServer) -> None:
    assert fetch(server, "POST", "/_script", [{"kind": "refusal", "times": 0}]) == (204, None)
    assert send().refusal
    assert fetch(server, "DELETE", "/_script") == (204, None)
    assert not send().refusal


@pytest.mark.parametrize("body", [b"no json", [{"kind": "explode"}], {"kind": "ok"}])
def test_a_wrong_script_changes_nothing(send: Send, server: SimulatedProviderServer, body: Any) -> None:
    server.script([Fault(kind="refusal")])
    status, answer = fetch(server, "POST", "/_script", body)
    assert status == 400
    assert answer["error"]["message"]
    assert send().refusal


def test_the_request_log_lists_every_request_with_its_end(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="rate_limit")])
    with pytest.raises(Exception, match="429"):
        send(request_id="a")
    send(request_id="b")
    status, entries = fetch(server, "GET", "/_requests")
    assert status == 200
    assert entries == server.request_log()
    assert [(entry["correlation"], entry["fault"], entry["status"], entry["outcome"]) for entry in entries] == [
        ("a", "rate_limit", 429, "answered"),
        ("b", "ok", 200, "answered"),
    ]
    assert entries[0]["digest"] == entries[1]["digest"]
    assert entries[0]["time"] <= entries[0]["ended"] <= entries[1]["ended"]


def test_the_log_file_keeps_both_lines_of_a_request(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    for _ in range(2):
        with SimulatedProviderServer(log_path=path) as server:
            asyncio.run(send_once(server.base_url, "responses", question()))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["open", "answered"] * 2
    assert len({line["id"] for line in lines}) == 2


def test_latency_is_set_while_it_runs(send: Send, server: SimulatedProviderServer) -> None:
    assert fetch(server, "POST", "/_latency", {"ms": 150}) == (204, None)
    started = time.monotonic()
    response = send()
    assert time.monotonic() - started >= 0.15
    assert response.first_byte_ms is not None
    assert response.first_byte_ms >= 150


@pytest.mark.parametrize("body", [b"x", [], {}, {"ms": -1}, {"ms": "1"}])
def test_a_wrong_latency_is_refused(server: SimulatedProviderServer, body: Any) -> None:
    assert fetch(server, "POST", "/_latency", body)[0] == 400
    assert server.simulation.latency_ms == 0


def test_a_slow_answer_is_a_fault_with_latency(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="ok", latency_ms=150)])
    started = time.monotonic()
    send()
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", b"{"),
        ("/v1/responses", []),
        ("/v1/responses", {"input": "no model"}),
        ("/v1/responses", {"model": "m"}),
        ("/v1/responses", {"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}),
        ("/v1/completions", {"model": "m", "prompt": []}),
        ("/v1/chat/completions", {"model": "m", "messages": []}),
        ("/v1/chat/completions", {"model": "m", "messages": ["x"]}),
        ("/v1/embeddings", b"{"),
        ("/v1/embeddings", {"model": "m"}),
        ("/v1/embeddings", {"model": "m", "input": [1]}),
        ("/v1/embeddings", {"model": "m", "input": "x", "dimensions": 0}),
        ("/v1/embeddings", {"input": "x"}),
    ],
)
def test_a_wrong_request_is_a_400_in_the_providers_envelope(
    server: SimulatedProviderServer, path: str, body: Any
) -> None:
    status, answer = fetch(server, "POST", path, body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"]


def test_an_unknown_path_is_a_404_in_the_providers_envelope(server: SimulatedProviderServer) -> None:
    assert fetch(server, "GET", "/v2/x") == (
        404,
        {
            "error": {
                "message": "Unknown request URL: GET /v2/x.",
                "type": "invalid_request_error",
                "param": None,
                "code": "unknown_url",
            }
        },
    )


def test_it_says_that_it_lives_and_which_models_it_has(server: SimulatedProviderServer) -> None:
    assert fetch(server, "GET", "/healthz") == (200, {"status": "ok", "simulated": True})
    with sdk(server) as client:
        assert "gpt-4o-mini" in {model.id for model in client.models.list()}
        assert client.models.retrieve("o9").id == "o9"


def test_the_sdks_own_calls_understand_it(server: SimulatedProviderServer) -> None:
    with sdk(server) as client:
        response = client.responses.create(model="m", input="Hello there")
        assert "Hello there" in response.output_text
        chat = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello there"}])
        assert "Hello there" in (chat.choices[0].message.content or "")
        assert chat.usage is not None
        assert chat.usage.total_tokens > 0


def test_json_mode_without_a_schema_answers_an_object(server: SimulatedProviderServer) -> None:
    with sdk(server) as client:
        chat = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], response_format={"type": "json_object"}
        )
    assert isinstance(json.loads(chat.choices[0].message.content or ""), dict)


def test_a_streamed_chat_adds_up_to_the_answer_and_its_usage(server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="text", text="One two  three.\nFour")])
    with sdk(server) as client:
        chunks = list(
            client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "Count"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "One two  three.\nFour"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    assert server.request_log()[0]["outcome"] == "answered"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="ok"),
        Fault(kind="refusal"),
        Fault(kind="tool_call", data={"name": "look", "arguments": {"city": "Oslo"}}),
        Fault(kind="truncated"),
        Fault(kind="failed"),
    ],
    ids=("ok", "refusal", "tool_call", "truncated", "failed"),
)
def test_a_streamed_response_adds_up(server: SimulatedProviderServer, fault: Fault) -> None:
    server.script([fault, fault])
    with sdk(server) as client:
        whole = client.responses.create(model="m", input="Hello")
        events = list(client.responses.create(model="m", input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last: Any = events[-1]
    assert last.type == f"response.{whole.status}"
    assert [item.to_dict() | {"id": "", "call_id": ""} for item in last.response.output] == [
        item.to_dict() | {"id": "", "call_id": ""} for item in whole.output
    ]
    said = "".join(
        event.delta for event in events if event.type in {"response.output_text.delta", "response.refusal.delta"}
    )
    assert said == "".join(
        getattr(part, "text", getattr(part, "refusal", ""))
        for item in whole.output
        for part in getattr(item, "content", ())
    )


def test_a_streamed_response_is_what_the_sdk_accumulates(server: SimulatedProviderServer) -> None:
    with sdk(server) as client:
        with client.responses.stream(model="m", input=[{"role": "user", "content": "Hello"}]) as stream:
            final = stream.get_final_response()
        assert final.output_text == client.responses.create(model="m", input="Hello").output_text
    assert final.usage is not None


def test_a_streamed_message_adds_up(server: SimulatedProviderServer) -> None:
    call = Fault(kind="tool_call", data={"name": "look", "arguments": {"city": "Oslo"}})
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"anthropic-version": "2023-06-01"}
    for fault in (Fault(kind="text", text="Two words"), call, Fault(kind="truncated"), Fault(kind="failed")):
        server.script([fault, fault])
        whole, stream = (
            httpx2.post(f"{server.base_url}/messages", json=asked | {"stream": flag}, headers=headers)
            for flag in (False, True)
        )
        events = [json.loads(line[6:]) for line in stream.text.split("\n") if line.startswith("data: ")]
        if fault.kind == "failed":
            assert events == [whole.json()]
            continue
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        block = whole.json()["content"][0]
        assert "".join(delta.get("text", "") for delta in deltas) == block.get("text", "")
        assert json.loads("".join(delta.get("partial_json", "") for delta in deltas) or "null") == block.get("input")
        assert events[-2]["delta"]["stop_reason"] == whole.json()["stop_reason"]
        assert events[-2]["usage"] == whole.json()["usage"]
        assert events[-1] == {"type": "message_stop"}


def test_a_completion_is_answered_and_streamed(server: SimulatedProviderServer) -> None:
    counted = {"stream_options": {"include_usage": True}}
    with sdk(server) as client:
        whole = client.completions.create(model="m", prompt="Hello")
        pieces = list(client.completions.create(model="m", prompt=["Hello"], stream=True, extra_body=counted))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole.choices[0].text
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage == whole.usage


def test_embeddings_are_near_for_texts_with_the_same_words(server: SimulatedProviderServer) -> None:
    with sdk(server) as client:
        data = client.embeddings.create(model="e", input=["The knee hurts", "the KNEE hurts!", "Quarterly report"]).data
    first, same, other = (item.embedding for item in data)
    assert len(first) == 1536
    assert sum(a * b for a, b in zip(first, same, strict=True)) == pytest.approx(1, abs=1e-5)
    assert abs(sum(a * b for a, b in zip(first, other, strict=True))) < 0.5
    assert first == pytest.approx(hashed_vector("The knee hurts"), abs=1e-6)
    assert set(hashed_vector("", 4)) == {0.0}


def test_a_busy_port_raises_where_the_server_is_entered() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError), SimulatedProviderServer(port=taken.getsockname()[1]):
            pytest.fail("it must not start")


def test_it_stops_while_a_client_still_waits() -> None:
    with SimulatedProviderServer() as server:
        server.script([Fault(kind="hang")])
        host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        client = socket.create_connection((host, int(port)))
        body = b'{"model": "m", "input": "x"}'
        client.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        while not server.request_log():
            time.sleep(0.01)
    client.close()
    assert server.request_log()[0]["outcome"] == "client_left"
