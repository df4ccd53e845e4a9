"""What a client or a provider may get wrong with content and streams, at each of the gateway's doors."""

from __future__ import annotations

import base64
import json

import httpx2
import pytest

from apps.gateway.models import Interaction, Status
from orchestration.providers.conformance.contents import PDF
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.serving import MODEL, gateway, key

pytestmark = pytest.mark.django_db(transaction=True)
SAYS = "one two three four five six"
ASKED = {
    "chat/completions": {"messages": [{"role": "user", "content": "Say six words."}]},
    "responses": {"input": "Say six words."},
    "messages": {"messages": [{"role": "user", "content": "Say six words."}], "max_tokens": 50},
}
SPEAKS = {"messages": "anthropic"}


@pytest.mark.parametrize("path", ASKED)
def test_a_stream_that_is_cut_after_any_event(provider: SimulatedProviderServer, path: str) -> None:
    """The client is told, or has all of it; the record never says that half of an answer is one."""
    body = {"model": MODEL, "stream": True, **ASKED[path]}
    provider.script([Fault(kind="text", text=SAYS)])
    _, secret = key()
    headers = {"Authorization": f"Bearer {secret}"}
    with gateway(provider.base_url, speaks=SPEAKS.get(path, "openai")) as server, httpx2.Client(timeout=20) as caller:
        whole = caller.post(f"{server.base_url}/{path}", json=body, headers=headers).text
        count = whole.count("data: ")
        provider.script([Fault(kind="cut", text=SAYS, events=number) for number in range(count)])
        for number in range(count):
            answer = caller.post(f"{server.base_url}/{path}", json=body, headers=headers)
            row = Interaction.objects.latest("id")
            if row.status == Status.COMPLETED:
                assert number >= count - 2, "all that was said had been said"
                continue
            assert (number, row.status, row.error_code) == (number, Status.FAILED, "connection_error")
            assert answer.status_code == (200 if number and "data: " in answer.text else 502)
            assert '"error"' in answer.text or "event: error" in answer.text, (number, answer.text)
    assert not Interaction.objects.in_flight().exists()


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
