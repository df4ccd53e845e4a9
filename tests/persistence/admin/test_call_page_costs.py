"""What the page of a call costs in each state that an operator looks at: queries, and no column of content in full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from pydantic import BaseModel

from apps.accounts.models import User
from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.components import Approval
from orchestration.models import (
    AIRequestAudit,
    AIResponseAudit,
    Pause,
    PromptText,
    ProviderCircuit,
    RateLimit,
    ServiceCallRecord,
    WorkerNode,
)
from orchestration.models.states import OrderingPolicy, PersistState, Status
from orchestration.models.tool_runs import ToolRun
from persistence.approval.decisions import edit_and_approve, preview_edit
from persistence.maintenance.retention import KINDS
from persistence.models import PersistedChunk, PersistedObject
from persistence.models.approval import Hold
from persistence.testing import persist
from tests.columns import columns_handed_out
from tests.orchestration.admin.rows import add_attempts, answer, succeeded
from tests.orchestration.factories import SERVICE, failed, queued, request_audit
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.models import Simulation as Seeded
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
MOST_QUERIES = 20
OF_CALLS = (ServiceCallRecord, AIRequestAudit, AIResponseAudit, ToolRun, PersistedChunk, PersistedObject, Hold)
SMALL = {"service_kwargs", "prompt_meta", "execution_metadata", "error", "reason"}
"""Content that the page shows as it is: options, and texts with a limit."""
CONTENT = {name for kind in KINDS.values() if kind.model in OF_CALLS for name in kind.empty or ()} - SMALL
State = Callable[[], ServiceCallRecord]


class Reading(BaseModel):
    text: int
    size: int


def with_everything(call: ServiceCallRecord) -> ServiceCallRecord:
    """Attempts with a repair, a tool that ran, a rerun, an object it is about, a text of an operator."""
    about = {"related_content_type": ContentType.objects.get_for_model(User), "related_object_id": "1"}
    ServiceCallRecord.objects.filter(pk=call.pk).update(**about)
    if not call.request_audits.exists():
        add_attempts(call, "The ticket: it burns")
    audit = call.request_audits.latest("pk")
    ToolRun.objects.create(request=audit, call=call, position=0, tool="look_up", arguments={"a": 1}, result={"b": 2})
    queued(parent=call)
    section = "prompts.engineapp.default.TriageSection"
    PromptText(section=section, part="instruction", text="Be brief.").publish()
    meta = {"version": "0123456789abcdef", "sections": [{"identity": section, "texts": {"instruction": 1}}]}
    request_audit(call, attempt=3, prompt_meta=meta).save()
    return call


@pytest.fixture
def states(settings: Any, monkeypatch: pytest.MonkeyPatch, root: Client) -> dict[str, State]:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    anna = User.objects.get(is_superuser=True)

    def persisted() -> ServiceCallRecord:
        return succeeded(anna)

    def refused() -> ServiceCallRecord:
        succeeded()
        call = failed(error_code="context_length_exceeded", error="too long")
        audit = request_audit(call)
        audit.save()
        answer(audit, error_code=call.error_code, raw={"code": call.error_code}, http_status=400)
        return call

    def not_valid() -> ServiceCallRecord:
        succeeded()
        return failed(error_code="invalid_output", error="urgency: field required; reason: field required")

    def dead_by(conduct: Callable[..., Any]) -> State:
        def dead() -> ServiceCallRecord:
            persist(note(lambda handler, response: Message.objects.create(role="a")))
            record = note(conduct)
            assert persist(record) == "dead"
            return record

        return dead

    def hold() -> Hold:
        monkeypatch.setattr(GenerateNote, "approval", Approval(always=True))
        record = note(lambda handler, response: Message.objects.create(role="a"))
        assert persist(record) == "held"
        return Hold.objects.get(call_id=record.pk)

    def waiting_for_approval() -> ServiceCallRecord:
        return ServiceCallRecord.objects.get(pk=hold().call_id)

    def edited() -> ServiceCallRecord:
        of, kinder = hold(), {"text": "kinder"}
        edit_and_approve(of.pk, by=anna, answer=kinder, shown=preview_edit(of.pk, kinder).digest)
        return ServiceCallRecord.objects.get(pk=of.call_id)

    return {
        "persisted": persisted,
        "refused by the provider": refused,
        "not valid": not_valid,
        "dead by a column": dead_by(lambda handler, response: Message.objects.create(role=None, text=None)),
        "dead by fields": dead_by(lambda handler, response: Reading.model_validate(response.structured_data)),
        "dead by a missing row": dead_by(lambda handler, response: Seeded.objects.get(pk=404)),
        "waiting for approval": waiting_for_approval,
        "edited by a person": edited,
        "queued behind everything": queued_behind_everything,
    }


def queued_behind_everything() -> ServiceCallRecord:
    now = database_now()
    WorkerNode.objects.create(name="node-1", beat_at=now, stopping=True)
    Pause.start("model", "default/*", reason="too expensive"), Pause.start("service", SERVICE)
    ProviderCircuit.objects.create(client="default", state="open", retry_at=now + timedelta(seconds=40))
    RateLimit.objects.create(pattern="default/gpt-4o", requests_per_minute=60, parallel=1, blocked_until=now)
    where = {"client": "default", "model_requested": "gpt-4o", "ordering_key": "case:1"}
    ended = {"status": Status.SUCCEEDED, "finished_at": now, "ordering_policy": OrderingPolicy.HOLD}
    queued(**where, sequence=1, domain_persist_state=PersistState.DEAD, **ended)
    again = {"due_at": now + timedelta(minutes=5), "failures": 1, "attempts": 1, "error_code": "timeout"}
    return queued(**where, sequence=2, **again)


STATES = [
    *("persisted", "refused by the provider", "not valid"),
    *("dead by a column", "dead by fields", "dead by a missing row"),
    *("waiting for approval", "edited by a person", "queued behind everything"),
]


@pytest.mark.parametrize("state", STATES)
def test_the_page_costs_few_queries_and_reads_no_content_whole(
    root: Client, states: dict[str, State], state: str, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    call = with_everything(states[state]())
    root.get(call_url(call.pk))
    with django_assert_max_num_queries(MOST_QUERIES), columns_handed_out() as read:
        page = root.get(call_url(call.pk))
    assert page.status_code == 200
    assert "service_identity" in read
    assert not read & CONTENT
    assert "text" not in read, "of a prompt"


def test_what_counts_as_content_is_what_is_erased() -> None:
    """Whoever adds a column of content has it looked at here."""
    assert {"input", "context", "result", "messages", "raw", "arguments", "summary", "changes", "shown"} <= CONTENT
