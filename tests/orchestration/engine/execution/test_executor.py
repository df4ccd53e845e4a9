"""One call from the queue to its settled end, with the provider's script as the only make-believe."""

import random
from collections import Counter
from copy import deepcopy
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration import signals
from orchestration.engine.execution import group_commit, result_takers, validation
from orchestration.engine.execution.commands import OpenRequest, Settle
from orchestration.engine.execution.group_commit import commit
from orchestration.engine.execution.validation import answer_at_rest
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.worker.rescuer import rescue
from orchestration.fault_injection import armed
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from orchestration.types import Response
from tests.engineapp.orca.services import triage
from tests.orchestration.factories import SERVICE, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TICKET = {"ticket": "it burns"}
GOOD = {"urgency": 9, "reason": "fire"}


def run(service=triage.Triage, *faults, **fields):
    """Submit a call, run what is due under the script, and return the row with the provider's requests."""
    record = submit(CallSpec(**{"service": service, "context": TICKET, **fields}))
    with scripted(*faults) as simulation:
        drain()
    record.refresh_from_db()
    return record, simulation.request_log.entries


@pytest.fixture
def heard():
    """Every public signal in the order it was sent, as (name, payload)."""
    sent = []
    names = ["ai_request_sent", "ai_response_received", "ai_response_ready", "ai_response_failed"]
    receivers = []
    for name in names:

        def listen(sender, signal, name=name, **payload):
            sent.append((name, payload))

        getattr(signals, name).connect(listen)
        receivers.append((getattr(signals, name), listen))
    yield sent
    for signal, listen in receivers:
        signal.disconnect(listen)


def test_an_answer_becomes_a_validated_audited_result():
    record, requests = run(triage.Triage, Fault(kind="json", data=GOOD))
    assert (record.status, record.attempts, record.failures, record.error) == ("succeeded", 1, 0, None)
    assert record.response().structured_data == GOOD
    assert (record.provider, record.model) == ("simulator", "gpt-4o-mini")
    request = record.request_audits.get()
    assert (request.outcome, request.attempt, request.repair) == ("answered", 1, 0)
    assert [message["role"] for message in request.messages] == ["developer", "user"]
    assert "it burns" in request.messages[1]["content"]
    answer = request.response_audit
    assert answer.raw["id"] == answer.provider_response_id
    assert answer.structured_data == GOOD
    assert record.total_tokens == answer.total_tokens > 0
    assert len(requests) == 1


def test_a_result_carries_where_it_came_from():
    record, _ = run(input={"tone": "dry"})
    response = record.response()
    assert (response.call_id, response.namespace, response.kind, response.name) == (
        record.pk,
        "engineapp",
        "default",
        "Triage",
    )
    assert response.identity_str == "engineapp.default.Triage"
    assert response.context == {**TICKET, "call_id": record.pk}
    meta = response.execution_metadata
    assert (meta.service_identity, meta.schema_version, meta.attempt) == (SERVICE, 2, 1)
    assert meta.schema_fingerprint == record.schema_fingerprint


def test_a_service_without_a_schema_gives_text():
    """There is nothing to persist."""
    record, _ = run(triage.FreeText, Fault(kind="text", text="Call the fire brigade."))
    assert record.response().output == "Call the fire brigade."
    assert (record.status, record.domain_persist_state) == ("succeeded", "none")


def test_signals_tell_the_story_in_order(heard):
    record, _ = run(triage.FreeText)
    assert [name for name, _ in heard] == ["ai_request_sent", "ai_response_received", "ai_response_ready"]
    for _, payload in heard:
        assert payload["call_id"] == record.pk
        assert payload["service_identity"] == record.service_identity
        assert payload["namespace"] == "engineapp"
        assert payload["correlation_id"] == record.correlation_id
        assert payload["context"] == TICKET
    assert heard[2][1]["response"].output == record.response().output


def test_a_receiver_that_raises_is_logged_without_its_message(caplog):
    def explode(**payload):
        raise ValueError("secret patient name")

    signals.ai_request_sent.connect(explode)
    try:
        record, _ = run()
    finally:
        signals.ai_request_sent.disconnect(explode)
    assert record.status == "succeeded"
    assert "signal receiver failed" in caplog.text
    assert "secret" not in caplog.text


# --- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, code",
    [("rate_limit", "rate_limited"), ("server_error", "provider_unavailable"), ("reset", "connection_error")],
)
def test_a_passing_failure_is_queued_again_with_its_reason(kind, code, settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_INITIAL_SECONDS": 60}
    random.seed(1)  # the jitter: not so little that the retry is due at once
    record, requests = run(triage.Triage, Fault(kind=kind, retry_after=30 if kind == "rate_limit" else None))
    assert (record.status, record.attempts, record.failures, record.error_code) == ("queued", 1, 1, code)
    assert record.due_at > timezone.now() - timedelta(seconds=1)
    assert record.request_audits.get().outcome == "failed"
    assert len(requests) == 1


def test_retry_after_decides_when():
    record, _ = run(triage.Triage, Fault(kind="rate_limit", retry_after=30))
    assert timedelta(seconds=25) < record.due_at - timezone.now() <= timedelta(seconds=30)


def test_a_retry_that_goes_well_clears_the_error():
    record, _ = run(triage.Triage, Fault(kind="server_error"))
    ServiceCallRecord.objects.update(due_at=timezone.now())
    drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, record.error, record.error_code) == ("succeeded", 2, None, "")
    assert [audit.outcome for audit in record.request_audits.order_by("attempt")] == ["failed", "answered"]


def test_the_last_attempt_fails_the_call_and_is_signalled_once(heard):
    record, requests = run(triage.Triage, Fault(kind="rate_limit", retry_after=0, times=0), max_attempts=2)
    assert (record.status, record.attempts, record.error_code, record.retryable) == ("failed", 2, "rate_limited", True)
    assert len(requests) == 2
    failures = [payload for name, payload in heard if name == "ai_response_failed"]
    assert [payload["error_code"] for payload in failures] == ["rate_limited"]


@pytest.mark.parametrize(
    "kind, code", [("unauthorized", "provider_auth"), ("bad_request", "bad_request"), ("quota", "insufficient_quota")]
)
def test_a_lasting_failure_is_not_tried_again(kind, code):
    record, requests = run(triage.Triage, Fault(kind=kind, times=0))
    assert (record.status, record.error_code, record.retryable, len(requests)) == ("failed", code, False, 1)


@pytest.mark.parametrize(
    "kind, code", [("refusal", "refused"), ("truncated", "truncated"), ("content_filter", "content_filter")]
)
def test_a_refused_or_cut_off_answer_fails_and_its_tokens_count(kind, code):
    record, requests = run(triage.Triage, Fault(kind=kind, times=0))
    assert (record.status, record.error_code, len(requests)) == ("failed", code, 1)
    assert record.total_tokens > 0
    assert record.request_audits.get().outcome == "answered"


def test_a_timeout_ends_the_request_while_it_runs(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "REQUEST_TIMEOUT_SECONDS": 0.2}
    record, requests = run(triage.Triage, Fault(kind="hang"), max_attempts=1)
    assert (record.status, record.error_code, record.retryable) == ("failed", "timeout", True)
    assert requests[0].outcome == "client_left"


# --- repair ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["not_json", "wrong_shape"])
def test_an_invalid_answer_is_repaired_once_and_sees_its_errors(kind):
    record, requests = run(triage.Triage, Fault(kind=kind), Fault(kind="json", data=GOOD))
    assert (record.status, record.attempts, len(requests)) == ("succeeded", 1, 2)
    first, repair = record.request_audits.order_by("repair")
    assert (repair.attempt, repair.repair, repair.repair_of) == (1, 1, first)
    assert repair.messages[:2] == first.messages
    assert repair.messages[2] == {"role": "assistant", "content": first.response_audit.outputs[0]["text"]}
    assert "does not match" in repair.messages[3]["content"]
    both = AIResponseAudit.objects.filter(call=record)
    assert record.total_tokens == sum(answer.total_tokens for answer in both)
    assert record.response().usage.total_tokens == record.total_tokens


def test_an_answer_that_stays_invalid_fails_without_its_values():
    """The error has the places and the rules."""
    bad = Fault(kind="json", data={"urgency": "secret patient name", "reason": 5}, times=0)
    record, requests = run(triage.Triage, bad)
    assert (record.status, record.error_code, record.retryable, len(requests)) == ("failed", "invalid_output", False, 2)
    assert "urgency" in record.error
    assert "secret" not in record.error


def test_a_repair_that_is_refused_is_a_refusal():
    record, _ = run(triage.Triage, Fault(kind="not_json"), Fault(kind="refusal"))
    assert (record.status, record.error_code) == ("failed", "refused")


# --- answers that a database cannot hold ----------------------------------------------------


def test_nul_characters_in_an_answer_are_replaced():
    record, _ = run(triage.Triage, Fault(kind="json", data={"urgency": 1, "reason": "a\x00b"}))
    assert (record.status, record.error) == ("succeeded", None)
    assert record.response().structured_data["reason"] == "a\ufffdb"


def test_an_integer_beyond_64_bits_survives():
    record, _ = run(triage.Triage, Fault(kind="text", text='{"urgency": 36893488147419103232, "reason": "big"}'))
    assert (record.status, record.error) == ("succeeded", None)
    assert record.response().structured_data["urgency"] == 2**65


# --- broken services ------------------------------------------------------------------------


def test_a_service_that_is_gone_fails_its_call(heard):
    record = queued(service_identity="services.engineapp.default.Gone")
    drain()
    record.refresh_from_db()
    assert (record.status, record.error_code) == ("failed", "unknown_service")
    assert [name for name, _ in heard] == ["ai_response_failed"]


def test_a_section_that_raises_costs_nothing_and_is_not_retried(caplog):
    record, requests = run(triage.BrokenPrompt)
    assert (record.status, record.error_code, requests) == ("failed", "prompt_failed", [])
    assert not AIRequestAudit.objects.exists()
    assert "secret" not in record.error + caplog.text


def test_a_service_that_raises_fails_without_its_message(caplog):
    record, _ = run(triage.Raises)
    assert (record.status, record.error_code) == ("failed", "internal_error")
    assert "KeyError" in record.error
    assert "secret" not in record.error + caplog.text


def test_an_overridden_execute_runs_in_the_queue_as_well():
    record, requests = run(triage.Computes, input={"a": 2, "b": 3})
    assert (record.status, requests) == ("succeeded", [])
    assert record.response().structured_data == {"sum": 5}


def test_an_override_may_wrap_the_default_body():
    record, _ = run(triage.Wraps, Fault(kind="json", data=GOOD))
    assert record.response().structured_data == GOOD
    assert record.response().context["wrapped"] is True


def test_a_missing_key_fails_before_anything_is_audited(settings, monkeypatch):
    monkeypatch.delenv("ORCA_PROVIDER_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "openai"}}
    record, _ = run()
    assert (record.status, record.error_code) == ("failed", "provider_key_missing")
    assert "ORCA_PROVIDER_API_KEY" in record.error
    assert not AIRequestAudit.objects.exists()


# --- deaths ---------------------------------------------------------------------------------


def test_a_stored_answer_is_judged_without_a_second_request():
    """The worker died between storing the answer and validating it."""
    record = submit(CallSpec(service=triage.Triage, context=TICKET))
    with scripted(Fault(kind="json", data=GOOD)), armed("after_store", _die):
        drain()
    _expire_and_rescue(record)
    with scripted() as second:
        drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, record.deaths) == ("succeeded", 1, 1)
    assert record.response().structured_data == GOOD
    assert second.request_log.entries == []


def test_an_answer_that_was_never_stored_is_asked_for_again():
    record = submit(CallSpec(service=triage.Triage, context=TICKET))
    with scripted() as first, armed("after_answer", _die):
        drain()
    _expire_and_rescue(record)
    with scripted() as second:
        drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, record.deaths) == ("succeeded", 2, 1)
    assert [audit.outcome for audit in record.request_audits.order_by("attempt")] == ["unknown", "answered"]
    assert len(first.request_log.entries) + len(second.request_log.entries) == 2


def test_a_repair_whose_worker_died_keeps_its_number():
    record = submit(CallSpec(service=triage.Triage, context=TICKET))
    with scripted(Fault(kind="not_json")), armed("in_repair", _die):
        drain()
    _expire_and_rescue(record)
    with scripted(Fault(kind="json", data=GOOD)) as second:
        drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, len(second.request_log.entries)) == ("succeeded", 1, 1)
    rows = record.request_audits.order_by("repair").values_list("repair", "outcome")
    assert list(rows) == [(0, "answered"), (1, "unknown"), (2, "answered")]


def test_an_operators_retry_asks_again():
    """The old answer is not validated."""
    record, _ = run(triage.Triage, Fault(kind="refusal"))
    record.retry()
    with scripted(Fault(kind="json", data=GOOD)) as second:
        drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, len(second.request_log.entries)) == ("succeeded", 2, 1)


class WorkerDied(BaseException):
    """Like a kill: nothing in the engine may catch it."""


def _die():
    raise WorkerDied


def _expire_and_rescue(record):
    ServiceCallRecord.objects.filter(pk=record.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert rescue().requeued == 1


def test_a_request_that_was_never_sent_leaves_no_open_audit():
    with armed("before_send"):
        record, _ = run()
    assert (record.status, record.error_code) == ("failed", "internal_error")
    assert record.request_audits.get().outcome == "unknown"


def test_an_unused_factory_row_can_be_judged_from_rest():
    """Answers at rest keep everything that judging needs."""
    record = queued()
    audit = request_audit(record)
    audit.save()
    AIResponseAudit.objects.create(ai_request=audit, call=record, outputs=[{"type": "refusal", "refusal": "no"}])
    assert answer_at_rest(AIResponseAudit.objects.get()).refusal == "no"


def test_a_plain_answer_is_stored_in_the_write_of_its_result(monkeypatch):
    batches = []
    monkeypatch.setattr(group_commit, "commit", lambda commands: batches.append(commands) or commit(commands))
    record, _ = run(triage.Triage, Fault(kind="json", data=GOOD))
    assert [[type(command) for command in batch] for batch in batches] == [[OpenRequest], [Settle]]
    assert record.request_audits.get().outcome == "answered"


def test_a_result_that_nothing_takes_ends_skipped(heard):
    record, _ = run(triage.Triage, Fault(kind="json", data=GOOD))
    assert (record.domain_persist_state, record.next_persist_at) == ("skipped", None)
    assert [name for name, _ in heard] == ["ai_request_sent", "ai_response_received", "ai_response_ready"]


def test_a_result_is_pending_when_its_taker_cannot_be_found(monkeypatch):
    def fail(record, response):
        raise LookupError

    record, _ = run(triage.Triage, Fault(kind="json", data=GOOD))
    monkeypatch.setattr(result_takers, "_takers", {fail: ""})
    assert result_takers.first_state(record, record.response()) == "pending"


def test_response_is_built_once_and_its_answer_parsed_once(monkeypatch):
    """From the provider's answer to the committed result, which nothing takes, so that no drain reads it."""
    counted = Counter()
    for owner, name in ((Response, "__init__"), (Response, "model_validate"), (validation, "from_json")):
        monkeypatch.setattr(owner, name, counting(counted, name, getattr(owner, name)))
    monkeypatch.setattr(validation, "to_json", counting(counted, "to_json", validation.to_json))
    monkeypatch.setattr(validation, "_copy", deepcopy)
    record, _ = run(triage.Triage, Fault(kind="json", data=GOOD))
    assert record.result["structured_data"] == GOOD
    assert counted == {"__init__": 1, "from_json": 1, "to_json": 1}


def counting(counted, name, function):
    def wrapped(*args, **kwargs):
        counted[name] += 1
        return function(*args, **kwargs)

    return wrapped
