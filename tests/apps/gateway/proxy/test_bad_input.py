"""What a client or a provider may get wrong with content and streams, at each of the gateway's doors."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest

from apps.gateway.crypto import decrypt
from apps.gateway.errors import GatewayError
from apps.gateway.models import Endpoint, Interaction, Status
from apps.gateway.proxy.request_checks import check_body
from orchestration.providers.conformance.contents import PDF, WAV, png
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.serving import MODEL, gateway, key

pytestmark = pytest.mark.django_db(transaction=True)
ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "Say six words."}]},
    "completions": {"prompt": "Say six words."},
    "responses": {"input": "Say six words."},
    "messages": {"messages": [{"role": "user", "content": "Say six words."}], "max_tokens": 50},
}
SPEAKS = {"messages": "anthropic"}


@pytest.mark.parametrize("path", ASKED)
def test_a_stream_that_is_cut_after_any_event(provider: SimulatedProviderServer, path: str) -> None:
    """The client is told, or has all of it; the record never says that half of an answer is one."""
    body = {"model": MODEL, "stream": True, **ASKED[path]}
    _, secret = key()
    headers = {"Authorization": f"Bearer {secret}"}
    with gateway(provider.base_url, speaks=SPEAKS.get(path, "openai")) as server, httpx2.Client(timeout=20) as caller:
        whole = caller.post(f"{server.base_url}/{path}", json=body, headers=headers).text
        assert told(whole).count(" ") > 3
        count = whole.count("data: ")
        provider.script([Fault(kind="cut", events=number) for number in range(count)])
        for number in range(count):
            answer = caller.post(f"{server.base_url}/{path}", json=body, headers=headers)
            row = Interaction.objects.latest("id")
            if row.status == Status.COMPLETED:
                assert number >= count - 2, "all that was said had been said"
                continue
            assert (number, row.status, row.error_code) == (number, Status.FAILED, "connection_error")
            assert answer.status_code == (200 if number and "data: " in answer.text else 502)
            assert '"error"' in answer.text or "event: error" in answer.text, (number, answer.text)
            said = told(answer.text)
            assert told(whole).startswith(said)
            assert not said or json.dumps(said) in recorded(row), "as far as it came, and no further"
    assert not Interaction.objects.in_flight().exists()


def told(stream: str) -> str:
    """The text in the events that a client got, of whichever API."""
    text = ""
    for event in (json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")):
        choice = (event.get("choices") or [{}])[0]
        delta = event.get("delta", choice.get("delta", choice))
        text += delta if isinstance(delta, str) else delta.get("content") or delta.get("text") or ""
    return text


def recorded(row: Interaction) -> str:
    assert row.payload.response_enc is not None
    return decrypt(row.payload.response_enc).decode()


@pytest.mark.parametrize("path", ASKED)
def test_a_pdf_of_a_hundred_megabytes_is_not_taken(provider: SimulatedProviderServer, path: str) -> None:
    _, secret = key()
    data = base64.b64encode(PDF).decode() + "A" * 133_000_000
    written = json.dumps({"model": MODEL, **ASKED[path]})[:-1].encode() + b', "file": "' + data.encode() + b'"}'
    with gateway(provider.base_url, speaks=SPEAKS.get(path, "openai")) as server:
        answer = httpx2.post(
            f"{server.base_url}/{path}",
            content=written,
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
            timeout=60,
        )
    assert (answer.status_code, "8,000,000 bytes" in answer.json()["error"]["message"]) == (413, True)
    assert provider.request_log() == []


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64_of(data)}"


def source(kind: str, media_type: str, data: bytes) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": base64_of(data)}}


SEEN = {"type": "text", "text": "Look."}
IMAGE_AS_PDF = data_url("application/pdf", png())
WRONG: list[tuple[str, str, Any, str]] = [
    (
        "chat/completions",
        "messages",
        {"role": "user", "content": [SEEN, {"type": "file", "file": {"filename": "a.pdf", "file_data": IMAGE_AS_PDF}}]},
        "messages[0].content[1].file.file_data is declared as application/pdf, but it is image/png",
    ),
    (
        "chat/completions",
        "messages",
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url("image/jpg", PDF)}}]},
        "messages[0].content[0].image_url.url is declared as image/jpeg, but it is application/pdf",
    ),
    (
        "chat/completions",
        "messages",
        {
            "role": "user",
            "content": [{"type": "input_audio", "input_audio": {"format": "mp3", "data": base64_of(png())}}],
        },
        "messages[0].content[0].input_audio.data is declared as audio/mpeg, but it is image/png",
    ),
    (
        "responses",
        "input",
        {"role": "user", "content": [{"type": "input_file", "file_data": IMAGE_AS_PDF}]},
        "input[0].content[0].file_data is declared as application/pdf, but it is image/png",
    ),
    (
        "responses",
        "input",
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": data_url("image/png", WAV)}],
        },
        "input[0].output[0].image_url is declared as image/png, but it is audio/wav",
    ),
    (
        "messages",
        "messages",
        {"role": "user", "content": [source("document", "application/pdf", png())]},
        "messages[0].content[0].source.data is declared as application/pdf, but it is image/png",
    ),
    (
        "messages",
        "messages",
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [source("image", "image/gif", PDF)]}],
        },
        "messages[0].content[0].content[0].source.data is declared as image/gif, but it is application/pdf",
    ),
]


@pytest.mark.parametrize(("path", "field", "given", "said"), WRONG)
def test_content_under_a_wrong_type_is_not_sent(
    provider: SimulatedProviderServer, path: str, field: str, given: Any, said: str
) -> None:
    """No provider could read it; the error names the place, in the shape of its API."""
    _, secret = key()
    body = {"model": MODEL, **ASKED[path], field: [given]}
    with gateway(provider.base_url, speaks=SPEAKS.get(path, "openai")) as server:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = httpx2.post(f"{server.base_url}/{path}", json=body, headers=headers, timeout=20)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert said in error["message"]
    assert error.get("param", said.split()[0]) == said.split()[0]
    assert provider.request_log() == []
    assert not Interaction.objects.in_flight().exists()


@pytest.mark.parametrize(
    "url",
    [
        data_url("image/png", png()),
        data_url("image/jpeg", png()),  # some providers take it
        data_url("image/heic", PDF),
        data_url("image/png", b"what we do not know"),
        "data:image/png;base64,%%%",
        "data:image/png,plain",
        "https://a.example.com/a.png",
        "data:" + "a" * 100_000,
    ],
)
def test_what_a_provider_may_know_is_left_to_it(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    arguments = {"type": "tool_use", "input": source("document", "application/pdf", png())}
    check_body({"messages": [{"role": "user", "content": [part, arguments]}]}, Endpoint.CHAT)


def test_line_breaks_in_base64_hide_nothing() -> None:
    written = base64.encodebytes(png()).decode()
    part = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": written}}
    with pytest.raises(GatewayError, match="it is image/png"):
        check_body({"messages": [{"role": "user", "content": [part]}], "max_tokens": 5}, Endpoint.MESSAGES)
