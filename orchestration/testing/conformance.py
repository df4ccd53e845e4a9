"""The conformance suite: `ProviderConformance` asks a provider directly, `EngineConformance` through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from orchestration.clock import database_now
from orchestration.components.registry import services
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import AIRequestAudit, ModelPrice, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.providers.capabilities import Capability
from orchestration.providers.conformance.asking import CLIENT, MODEL, Asking
from orchestration.providers.conformance.suite import ProviderConformance
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.testing.running import drain
from orchestration.types import JsonObject

Server = SimulatedProviderServer


@pytest.mark.django_db
class EngineConformance(Asking):
    """Subclass it with the provider and with a service of yours that has a schema, and needs no more than `call`."""

    service: ClassVar[Any]
    """The service, or its identity."""
    call: ClassVar[JsonObject] = {}
    """Fields of its calls: `input`, `context`, …"""
    withheld: ClassVar[str] = "content_filter"
    """The code of a call whose answer a filter stopped: `content_filter` or `refused`."""
    refused: ClassVar[str] = "refused"
    """The code of a call that the model refused: `refused` or `content_filter`."""

    @pytest.fixture(autouse=True)
    def price(self, db: None) -> Iterator[ModelPrice]:
        """A price for the provider's model under its own name."""
        prices = {f"{kind}_per_million": Decimal(1) for kind in ("input", "cached_input", "output")}
        yield ModelPrice.objects.create(provider=self.cls.name, model=MODEL, **prices, valid_from=database_now())

    def run(self, server: Server, *faults: Fault) -> ServiceCallRecord:
        """Run a call under a script, without its retries."""
        server.script(faults)
        record = submit(CallSpec(service=self.service, **self.call))
        drain()
        record.refresh_from_db()
        return record

    def audits(self, record: ServiceCallRecord) -> list[AIRequestAudit]:
        return list(record.request_audits.select_related("response_audit").order_by("attempt", "repair"))

    def test_an_answer_becomes_a_result(self, server: Server) -> None:
        record = self.run(server)
        assert (record.status, record.error_code) == (Status.SUCCEEDED, "")
        assert (record.provider, record.model, record.client) == (self.cls.name, MODEL, CLIENT)
        schema = self.wiring.schema
        schema.model_validate(record.response().structured_data)

    def test_the_audits_say_who_was_asked_and_what_it_cost(self, server: Server) -> None:
        record = self.run(server)
        [audit] = self.audits(record)
        assert (audit.provider, audit.client_name, audit.model) == (self.cls.name, CLIENT, MODEL)
        assert audit.surface == (self.settings.get("surface") or self.cls.surfaces[0])
        answer = audit.response_audit
        assert (answer.raw or {})["simulated"] is True
        assert answer.total_tokens == record.total_tokens > 0
        assert answer.cost == record.cost != 0
        assert record.cost is not None
        assert [entry["correlation"] for entry in server.request_log()] == [f"{record.pk}:1:0"]

    def test_an_answer_that_does_not_fit_is_repaired(self, server: Server) -> None:
        record = self.run(server, Fault(kind="wrong_shape"))
        assert record.status == Status.SUCCEEDED
        first, repair = self.audits(record)
        assert (first.repair, repair.repair, repair.repair_of_id) == (0, 1, first.pk)
        assert [message["role"] for message in repair.messages[-2:]] == ["assistant", "user"]
        assert record.total_tokens == sum(each.response_audit.total_tokens for each in (first, repair))

    def test_a_call_of_a_tool_alone_fails_the_call(self, server: Server) -> None:
        if Capability.TOOLS in self.cls.capabilities:
            record = self.run(server, Fault(kind="tool_call", times=0))
            assert (record.status, record.error_code) == (Status.FAILED, "unexpected_tool_call")

    @pytest.mark.parametrize("kind", ["refusal", "content_filter", "truncated"])
    def test_what_is_no_answer_fails_the_call(self, server: Server, kind: Any) -> None:
        record = self.run(server, Fault(kind=kind, times=0))
        codes = {"refusal": self.refused, "content_filter": self.withheld, "truncated": "truncated"}
        assert (record.status, record.error_code) == (Status.FAILED, codes[kind])
        assert len(server.request_log()) == 1
        assert record.cost is not None

    @pytest.mark.parametrize("kind", ["rate_limit", "unavailable", "reset", "malformed"])
    def test_what_may_pass_is_tried_again(self, server: Server, kind: Any) -> None:
        record = self.run(server, Fault(kind=kind))
        drain(scheduled=True)
        record.refresh_from_db()
        assert record.status == Status.SUCCEEDED
        assert [audit.outcome for audit in self.audits(record)] == ["failed", "answered"]

    def test_what_does_not_pass_is_not_tried_again(self, server: Server) -> None:
        record = self.run(server, Fault(kind="unauthorized", times=0))
        assert (record.status, record.error_code, record.attempts) == (Status.FAILED, "provider_auth", 1)

    @property
    def wiring(self) -> Any:
        service = services.get(self.service) if isinstance(self.service, str) else self.service
        return service.wiring


__all__ = ["EngineConformance", "ProviderConformance"]
