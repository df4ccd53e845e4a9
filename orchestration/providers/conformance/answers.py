"""What every provider makes of good answers, asked over a socket of the simulated model in its own wire format."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from pydantic import BaseModel, Field

from orchestration.providers.capabilities import Capability
from orchestration.providers.conformance.asking import CLIENT, Asking, question, strict
from orchestration.providers.dialect import Dialect
from orchestration.providers.registry import class_faults, client_problems, client_settings, open_provider
from orchestration.providers.simulator.dialects import dialect_of
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.providers.turns import asking_turn, identified, result_turn
from orchestration.types import Message
from orchestration.values.sanitize import is_storable_json

Server = SimulatedProviderServer
TOOL = {
    "type": "function",
    "name": "look_up",
    "description": "Looks something up.",
    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
}


class Line(BaseModel):
    """Part of an Order."""

    article: str = Field(max_length=40)
    pieces: int = Field(ge=1, le=9)


class Order(BaseModel):
    """A schema with what schemas have: lists, references, choices, empty values, limits."""

    lines: list[Line] = Field(min_length=1, max_length=3)
    state: str = Field(json_schema_extra={"enum": ["open", "done"]})
    note: str | None
    weight: float = Field(gt=0, lt=100)
    code: str = Field(pattern="^[A-Z]{2}[0-9]{3}$")


class Answers(Asking):
    """Text, structure, refusals, counts, limits; the first part of the suite."""

    withholds: ClassVar[str] = "filtered"
    """How an answer comes that a filter stopped: `filtered` or `refusal`."""
    refuses: ClassVar[str] = "refusal"
    """How an answer comes that the model refused: `refusal` or `filtered`."""

    # --- the contract ---------------------------------------------------------------------------

    def test_the_class_keeps_the_contract(self, server: Server) -> None:
        assert class_faults(self.cls) == []
        assert client_problems(CLIENT, client_settings(CLIENT)) == []

    def test_it_says_whom_it_asks(self, server: Server) -> None:
        async def names() -> tuple[str, str, str]:
            provider = open_provider(CLIENT)
            await provider.aclose()
            return provider.name, provider.client_name, provider.surface

        name, client_name, surface = asyncio.run(names())
        assert (name, client_name) == (self.cls.name, CLIENT)
        assert surface in self.cls.surfaces

    # --- answers --------------------------------------------------------------------------------

    def test_a_question_is_answered_with_text(self, server: Server) -> None:
        answer = self.send(text="Where is the key?")
        [entry] = server.request_log()
        assert "Where is the key?" in answer.text
        assert answer.raw["simulated"] is True
        assert entry["id"] in answer.provider_response_id
        assert entry["model"] == answer.model
        assert (answer.refusal, answer.truncated, answer.filtered, answer.tool_calls) == (None, False, False, [])
        assert answer.finish_reason
        assert answer.http_status == 200
        assert answer.first_byte_ms is not None
        assert answer.usage.input_tokens > 0
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens

    def test_a_conversation_is_sent_in_order(self, server: Server) -> None:
        said = ["First?", "One.", "Second?", "Two.", "Third?"]
        turns = [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(said)]
        self.send(messages=[{"role": "system", "content": "Count."}, *turns])
        texts = server.simulation.seen[-1].texts
        assert [text for text in texts if text in said] == said
        assert any("Count." in text for text in texts)

    def test_a_prompt_of_instructions_alone_is_answered(self, server: Server) -> None:
        assert self.send(messages=[{"role": "developer", "content": "Write a line."}]).text
        assert server.simulation.seen[-1].texts == ("Write a line.",)

    def test_an_answer_follows_its_schema(self, server: Server) -> None:
        schema = strict(Order.model_json_schema(), "Order")
        answer = self.send(schema=schema)
        Order.model_validate_json(answer.text)
        assert server.simulation.seen[-1].schema is not None

    def test_an_exact_text_arrives_unchanged(self, server: Server) -> None:
        server.script([Fault(kind="text", text='ä "quoted" \n 😀')])
        assert self.send().text == 'ä "quoted" \n 😀'

    def test_a_nul_character_is_replaced(self, server: Server) -> None:
        server.script([Fault(kind="text", text="a\x00b")])
        answer = self.send()
        assert answer.text == "a\N{REPLACEMENT CHARACTER}b"
        assert is_storable_json(answer.raw)

    def test_a_refusal_is_no_text(self, server: Server) -> None:
        server.script([Fault(kind="refusal", text="I would rather not.")])
        answer = self.send()
        assert answer.text == ""
        if self.refuses == "refusal":
            assert answer.refusal == "I would rather not."
        else:
            assert answer.filtered

    def test_a_truncated_answer_says_by_what(self, server: Server) -> None:
        server.script([Fault(kind="truncated")])
        answer = self.send()
        assert (answer.truncated, answer.filtered, answer.refusal) == (True, False, None)
        assert answer.finish_reason
        assert answer.text

    def test_an_answer_that_a_filter_stopped_is_marked(self, server: Server) -> None:
        server.script([Fault(kind="content_filter")])
        answer = self.send()
        assert answer.filtered if self.withholds == "filtered" else answer.refusal

    def test_a_tool_call_is_read(self, server: Server) -> None:
        if Capability.TOOLS not in self.cls.capabilities:
            assert self.failed(tools=[TOOL]).code == "capability_missing"
            return
        server.script([Fault(kind="tool_call", data={"name": "look_up", "arguments": {"id": 7}})])
        [call] = self.send(tools=[TOOL]).tool_calls
        assert (call["name"], json.loads(call["arguments"])) == ("look_up", {"id": 7})
        assert isinstance(call["id"], str)

    def test_a_conversation_with_tools_goes_on(self, server: Server) -> None:
        """Its calls and their results come back as they were, whoever else began the conversation."""
        if Capability.TOOLS not in self.cls.capabilities:
            return
        calls = [{"name": "look_up", "arguments": {"id": number}} for number in (7, 8)]
        server.script([Fault(kind="tool_call", text="Let me see.", data=calls)])
        asked: list[Message] = [{"role": "user", "content": "Where are 7 and 8?"}]
        answer = self.send(messages=asked, tools=[TOOL])
        assert answer.text == "Let me see."
        wanted = identified(answer.tool_calls, 1)
        results = [result_turn(wanted[0], "On the shelf."), result_turn(wanted[1], "Lost.", is_error=True)]
        surface = self.settings.get("surface") or self.cls.surfaces[0]
        for raw in (answer.raw, None):
            turn = asking_turn(answer.text, wanted, surface=surface, raw=raw)
            assert self.send(messages=[*asked, turn, *results], tools=[TOOL]).text
            assert server.simulation.seen[-1].tool_results == ("On the shelf.", "Lost.")
            assert "Let me see." in server.simulation.seen[-1].texts

    def test_a_result_of_a_tool_that_was_not_asked_for_is_refused(self, server: Server) -> None:
        """So the simulated model notices a conversation that is sent in part."""
        if Capability.TOOLS in self.cls.capabilities:
            call = {"id": "call_1", "name": "look_up", "arguments": "{}"}
            asked: list[Message] = [{"role": "user", "content": "Where?"}]
            assert self.failed(messages=[*asked, result_turn(call, "Lost.")]).code == "bad_request"
            assert self.failed(messages=[*asked, asking_turn("", [call])]).code == "bad_request"

    def test_cached_and_reasoning_tokens_are_counted(self, server: Server) -> None:
        server.script([Fault(kind="text", text="four", cached_tokens=40, reasoning_tokens=30)])
        usage = self.send().usage
        assert (usage.input_tokens, usage.cached_input_tokens) == (40, 40)
        assert (usage.output_tokens, usage.reasoning_tokens) == (31, 30)
        assert usage.total_tokens == 71

    def test_rate_limit_headers_have_common_names(self, server: Server) -> None:
        told = self.send().headers
        assert all(name.startswith(("x-ratelimit-", "retry-after")) for name in told)
        if self.dialect(server).limits:
            assert int(told["x-ratelimit-remaining-requests"]) == int(told["x-ratelimit-limit-requests"]) - 1

    def test_limits_of_length_have_any_name(self, server: Server) -> None:
        for name in ("max_output_tokens", "max_completion_tokens", "max_tokens"):
            self.send(parameters={name: 100, "temperature": 0})
        assert [entry["status"] for entry in server.request_log()] == [200, 200, 200]

    def test_many_requests_share_one_provider(self, server: Server) -> None:
        async def ask() -> list[str]:
            provider = open_provider(CLIENT)
            try:
                answers = await asyncio.gather(*(provider.send(question(f"Number {n}?")) for n in range(40)))
            finally:
                await provider.aclose()
            return [answer.text for answer in answers]

        assert [text for n, text in enumerate(asyncio.run(ask())) if f"Number {n}?" not in text] == []
        assert [entry["outcome"] for entry in server.request_log()] == ["answered"] * 40

    # --- what it is told ------------------------------------------------------------------------

    def test_our_request_id_reaches_the_providers_log(self, server: Server) -> None:
        self.send(request_id="call-1:2:0")
        assert [entry["correlation"] for entry in server.request_log()] == ["call-1:2:0"]

    def test_the_key_is_in_its_header(self, server: Server) -> None:
        self.send()
        header = "" if self.keyless else self.cls.key_header[0].lower()
        assert [entry["credential"] for entry in server.request_log()] == [header]

    def dialect(self, server: Server) -> Dialect:
        """How the server answers this client."""
        if not server.request_log():
            self.send()
        found = dialect_of(server.request_log()[0]["path"], server.simulation.dialects)
        assert found is not None
        return found
