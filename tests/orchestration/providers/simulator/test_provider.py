"""The embedded provider: the same answers and the same errors as over HTTP, without a socket."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from orchestration.conf import ClientSettings
from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderResponse
from orchestration.providers.simulator import provider as simulator
from orchestration.providers.simulator.faults import KINDS, Fault
from orchestration.providers.simulator.provider import SimulatorProvider, scripted
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.orchestration.providers.asking import Send, question

WAITING = {"hang", "trickle"}


def ask(surface: str = "responses", **fields: Any) -> ProviderResponse:
    async def once() -> ProviderResponse:
        provider = SimulatorProvider("sim", ClientSettings.model_validate({"surface": surface}))
        try:
            return await provider.send(question(**fields))
        finally:
            await provider.aclose()

    return asyncio.run(once())


def told(outcome: ProviderResponse | ProviderError) -> dict[str, Any]:
    """What an engine sees, without ids and times."""
    if isinstance(outcome, ProviderError):
        return {"error": str(outcome), **{key: value for key, value in vars(outcome).items() if key != "body"}}
    return {"text": outcome.text, "refusal": outcome.refusal, "finish": outcome.finish_reason, "usage": outcome.usage}


def caught(send: Send, **fields: Any) -> dict[str, Any]:
    try:
        return told(send(**fields))
    except ProviderError as error:
        return told(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_looks_as_it_does_over_http(
    send: Send, server: SimulatedProviderServer, surface: str, kind: Any
) -> None:
    fault = Fault(kind=kind, retry_after=3, text="Said.", data={"name": "x"})
    timeout = 0.2 if kind in WAITING else 5.0
    server.script([fault])
    with scripted(fault):
        here = caught(lambda **fields: ask(surface, **fields), timeout=timeout)
    assert here == caught(send, timeout=timeout)


def test_an_answer_says_that_it_is_simulated(caplog: pytest.LogCaptureFixture) -> None:
    simulator.say_it_is_simulated.cache_clear()
    with caplog.at_level(logging.WARNING, logger="orchestration"):
        first = ask()
        ask()
    assert first.raw["simulated"] is True
    assert SimulatorProvider.name == "simulator"
    assert [record.getMessage().split()[0] for record in caplog.records] == ["provider_simulated"]


def test_the_context_flows_into_the_answer() -> None:
    schema = {
        "type": "object",
        "properties": {"session_id": {"type": "integer"}},
        "required": ["session_id"],
        "additionalProperties": False,
    }
    assert json.loads(ask(schema=schema, context={"session_id": 4711}).text) == {"session_id": 4711}


def test_a_script_holds_in_its_block_and_keeps_what_was_asked() -> None:
    with scripted(Fault(kind="refusal")) as simulation:
        assert ask(request_id="call-1").refusal
        assert not ask().refusal
    assert [entry.fault for entry in simulation.request_log.entries] == ["refusal", "ok"]
    assert simulation.request_log.entries[0].correlation == "call-1"
    ask()
    assert len(simulation.request_log.entries) == 2


def test_cancelling_leaves_an_entry_in_the_log() -> None:
    async def cancelled() -> None:
        provider = SimulatorProvider("sim", ClientSettings())
        task = asyncio.create_task(provider.send(question()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.aclose()

    with scripted(Fault(kind="hang")) as simulation:
        asyncio.run(cancelled())
    assert [entry.outcome for entry in simulation.request_log.entries] == ["client_left"]


def test_a_schema_that_no_value_fits_is_a_bad_request() -> None:
    with pytest.raises(ProviderError) as caught_error:
        ask(schema={"type": "integer", "minimum": 2, "maximum": 1})
    assert caught_error.value.code == "bad_request"
    assert "no integer" in caught_error.value.body["message"]
