"""A step that fails or is cancelled: paid work is kept, and a retry pays only for what is missing."""

from __future__ import annotations

import json
import logging
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.consensus.errors import NotCancellable, NotRetryable
from apps.consensus.models import Run, RunStatus
from apps.consensus.workflow.retry_cancel import cancel_run, retry_run, settle_overdue
from orchestration.clock import database_now
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.signals import tick
from orchestration.testing import drain
from tests.apps.consensus.calling import caller
from tests.apps.consensus.reviewing import IDEA, blocking, expands, marker, new_run, says, script, steps_of
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def one_attempt(settings) -> None:
    """Failing calls fail at once instead of waiting for their second attempt."""
    settings.CONSENSUS = {**settings.CONSENSUS, "MAX_RETRIES_PER_PERSONA": 1}


@pytest.fixture
def ann() -> User:
    return person()


def played(user: User, *faults: Fault) -> Run:
    with scripted(*faults):
        run = new_run(user)
        drain()
    run.refresh_from_db()
    return run


def without_critic(kind: str) -> list[Fault]:
    return script(critic=Fault(kind=kind, contains=marker("critic"), times=0))


def asked() -> Counter[str]:
    """How many requests were sent for each step."""
    return Counter(AIRequestAudit.objects.values_list("call__consensus_steps__step", flat=True))


def test_one_failed_review_leaves_the_others_stored(ann: User) -> None:
    """The run says which review failed, why and after how many attempts."""
    run = played(ann, *without_critic("server_error"))
    assert run.status == RunStatus.FAILED
    assert run.reviews.count() == 4
    assert run.proposal
    assert {step for step, status in steps_of(run).items() if status == "failed"} == {"review_critic"}
    assert steps_of(run)["aggregate_decision"] == "pending"
    assert run.error_context["step"] == "review_critic"
    assert run.error_context["attempts"] == 1
    assert run.error_context["reason"]
    assert run.error_code == run.error_context["code"]


def test_a_retry_runs_and_bills_only_what_is_missing(ann: User) -> None:
    run = played(ann, *without_critic("server_error"))
    before = asked()
    with scripted(says("critic", 0.9)):
        retry_run(run.pk)
        assert steps_of(run)["review_critic"] == "pending"
        drain()
    run.refresh_from_db()
    assert (run.status, run.decision_label, run.error_code, run.error_context) == ("completed", "approve", "", None)
    assert asked() - before == Counter({"review_critic": 1})
    step = run.steps.get(step="review_critic")
    assert (step.status, step.attempt_count, step.error) == ("completed", 2, "")


def test_a_failed_expansion_fails_its_run_until_a_retry(ann: User) -> None:
    run = played(ann, Fault(kind="refusal", times=0))
    assert (run.status, run.error_code) == (RunStatus.FAILED, "REFUSED")
    assert list(steps_of(run).values()) == ["failed", *["pending"] * 6]
    with scripted(*script()):
        retry_run(run.pk)
        drain()
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


def test_refused_credentials_are_provider_auth_and_the_run_stays(ann: User) -> None:
    run = played(ann, Fault(kind="unauthorized", times=0))
    assert (run.status, run.error_code) == (RunStatus.FAILED, "PROVIDER_AUTH")
    shown = caller(ann).get(f"/runs/{run.pk}")
    assert (shown.status_code, shown.json()["error_code"]) == (200, "PROVIDER_AUTH")


def test_a_transient_failure_is_tried_again_within_the_allowance(ann: User, settings) -> None:
    settings.CONSENSUS = {**settings.CONSENSUS, "MAX_RETRIES_PER_PERSONA": 3}
    limited = Fault(kind="rate_limit", contains=marker("critic"), retry_after=0, times=2)
    run = played(ann, limited, *script())
    assert run.status == RunStatus.COMPLETED
    assert run.reviews.get(persona_id="critic").prompt_parameters_json["attempt_count"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 1.2},
        {"score": -0.1},
        {"concerns": [{"text": "  ", "is_blocking": False}]},
        {"blocking_issues": blocking(text="")},
        {"strengths": [""]},
        {"reviewer": "critic"},
    ],
)
def test_an_invalid_answer_is_repaired_once_then_fails_the_step(ann: User, wrong: dict) -> None:
    bad = says("critic", times=0, **wrong)
    run = played(ann, *script(critic=bad))
    assert (run.status, run.error_code) == (RunStatus.FAILED, "INVALID_OUTPUT")
    assert asked()["review_critic"] == 2
    assert run.reviews.count() == 4


def test_a_repaired_answer_counts(ann: User) -> None:
    run = played(ann, says("critic", 1.2), *script())
    assert run.status == RunStatus.COMPLETED


def test_a_cancelled_run_keeps_its_proposal_and_can_be_resumed(ann: User) -> None:
    run = new_run(ann)
    cancel_run(run.pk)
    run.refresh_from_db()
    assert (run.status, steps_of(run)["expand"]) == ("cancelled", "failed")
    assert ServiceCallRecord.objects.get().status == "cancelled"
    with scripted() as simulation:
        assert drain().calls == 0
    assert not simulation.request_log.entries
    with scripted(*script()):
        retry_run(run.pk)
        drain()
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


def test_a_review_after_the_cancel_is_stored_and_changes_nothing(ann: User) -> None:
    run = played(ann, *without_critic("server_error"))
    with scripted(says("critic")):
        retry_run(run.pk)
        call = ServiceCallRecord.objects.get(consensus_steps__step="review_critic")
        Run.objects.filter(pk=run.pk).update(status=RunStatus.CANCELLED)
        drain()
    run.refresh_from_db()
    assert (call.pk, run.status, run.reviews.count()) == (call.pk, RunStatus.CANCELLED, 5)
    retry_run(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


def test_only_failed_steps_are_retried_and_open_runs_cancelled(ann: User) -> None:
    run = new_run(ann)
    with pytest.raises(NotRetryable):
        retry_run(run.pk)
    with scripted(*script()):
        drain()
    with pytest.raises(NotRetryable):
        retry_run(run.pk)
    with pytest.raises(NotCancellable):
        cancel_run(run.pk)
    assert caller(ann).post(f"/runs/{run.pk}/cancel").json()["code"] == "not_cancellable"
    assert caller(ann).post(f"/runs/{run.pk}/retry").status_code == 409


def test_a_failure_whose_signal_was_lost_is_found_by_the_sweep(ann: User) -> None:
    run = new_run(ann)
    ServiceCallRecord.objects.get().cancel()
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
    tick.send(sender=None)
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "CANCELLED")
    assert settle_overdue() == 0


def test_a_result_that_cannot_be_stored_fails_its_step(ann: User) -> None:
    """A retry stores it without another request."""
    run = new_run(ann)
    with scripted(expands()):
        run.steps.filter(step="expand").update(step="lost")
        drain()
    call = ServiceCallRecord.objects.get()
    ServiceCallRecord.objects.filter(pk=call.pk).update(domain_persist_state="dead")
    run.steps.filter(step="lost").update(step="expand")
    settle_overdue()
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "NOT_STORED")
    with scripted(*script()[1:]):
        retry_run(run.pk)
        drain()
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert asked()["expand"] == 1


def test_the_steps_of_a_run_fail_together(ann: User) -> None:
    """Of a storm: one transaction a run, the rows of calls read without their content."""
    run = played(ann, *script())
    reviews = ServiceCallRecord.objects.filter(consensus_steps__run=run, consensus_steps__step__startswith="review")
    assert reviews.count() > 1
    Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, finished_at=None)
    ServiceCallRecord.objects.filter(pk__in=reviews.values("pk")).update(
        status="failed", error_code="timeout", result=None, finished_at=database_now(), domain_persist_state="none"
    )
    run.steps.filter(step__startswith="review").update(status="running")
    with CaptureQueriesContext(connection) as captured:
        assert settle_overdue() == reviews.count()
    assert sum("FOR NO KEY UPDATE" in each["sql"] for each in captured) <= 1
    assert not [each["sql"] for each in captured if "service_kwargs" in each["sql"]]
    run.refresh_from_db()
    assert (run.status, run.error_code) == (RunStatus.FAILED, "TIMEOUT")
    numbers = list(run.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert settle_overdue() == 0


# --- logs -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_lifecycle_is_logged_as_json_without_any_content(
    ann: User, caplog: pytest.LogCaptureFixture, settings
) -> None:
    lifecycle = logging.getLogger("apps.consensus.lifecycle")
    lifecycle.addHandler(caplog.handler)
    secret = "purple-elephant-idea"
    try:
        with (
            caplog.at_level(logging.DEBUG),
            scripted(
                expands(title="purple-elephant-title"),
                *script(critic=says("critic", strengths=["purple-elephant-strength"]))[1:],
            ),
        ):
            run = new_run(ann, idea=f"{secret} {IDEA}", extra_context="purple-elephant-context")
            drain()
        with caplog.at_level(logging.DEBUG):
            played(ann, *script(critic=says("critic", 1.2, times=0, strengths=["purple-elephant-wrong"])))
    finally:
        lifecycle.removeHandler(caplog.handler)
    assert "purple-elephant" not in caplog.text
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == lifecycle.name]
    assert {"run_created", "step_running", "step_completed", "run_completed", "step_failed", "run_failed"} <= {
        line["event"] for line in lines
    }
    done = next(line for line in lines if line["event"] == "step_completed" and line["step"] == "review_critic")
    assert done["run_id"] == str(run.pk)
    assert done["attempt"] == 1
    assert done["latency_ms"] >= 0
