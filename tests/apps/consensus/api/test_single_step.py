"""/v1/expand-idea and /v1/review-idea: one recorded call, no run, the same rules for what comes in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient, Client

from apps.accounts.models import User
from apps.consensus.models import Run
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from tests.apps.consensus.reviewing import IDEA, PROPOSAL, blocking, expands, review_answer
from tests.apps.people import person, with_key

pytestmark = pytest.mark.django_db(transaction=True)


def post(user: User, path: str, body: dict[str, Any], **headers: str) -> Any:
    headers |= with_key(user, "runs:write").headers
    return asyncio.run(AsyncClient().post(f"/v1/{path}", body, content_type="application/json", headers=headers))


def test_an_idea_is_expanded_in_one_recorded_call() -> None:
    user = person()
    with scripted(expands()):
        answer = post(user, "expand-idea", {"idea": IDEA, "extra_context": "For small choirs."})
    assert answer.status_code == 200, answer.content
    assert answer.json()["expanded_proposal"] == PROPOSAL
    call = ServiceCallRecord.objects.get(pk=answer.json()["call_id"])
    assert (call.status, call.requested_by, call.domain_persist_state) == ("succeeded", user, "persisted")
    assert "For small choirs." in call.request_audits.get().messages[1]["content"]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("score", "decision"), [(0.8, "approve"), (0.79995, "approve"), (0.6, "revise"), (0.59, "reject")]
)
def test_a_generic_review_has_the_same_thresholds_and_no_veto(score: float, decision: str) -> None:
    fault = Fault(kind="json", data=review_answer(score, blocking_issues=blocking(critical=True)))
    with scripted(fault):
        answer = post(person(), "review-idea", {"idea": IDEA})
    assert answer.status_code == 200, answer.content
    assert answer.json()["decision"] == decision
    assert answer.json()["review"]["blocking_issues"][0]["security_critical"] is True


def test_bad_input_is_refused_as_in_a_full_review() -> None:
    assert post(person(), "expand-idea", {"idea": "One. " * 11}).status_code == 422
    assert post(person(), "review-idea", {"idea": IDEA, "surprise": 1}).status_code == 422
    assert post(person(), "review-idea", {"idea": IDEA}, **{"X-Schema-Version": "0"}).status_code == 400
    assert not ServiceCallRecord.objects.exists()


def test_our_refused_credentials_are_502_and_never_401() -> None:
    with scripted(Fault(kind="unauthorized", times=0)):
        answer = post(person(), "expand-idea", {"idea": IDEA})
    assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_AUTH")
    assert ServiceCallRecord.objects.get(pk=answer.json()["details"]["call_id"]).status == "failed"


def test_a_repeated_key_gives_the_stored_answer() -> None:
    user = person()
    with scripted(expands()):
        first = post(user, "expand-idea", {"idea": IDEA}, **{"Idempotency-Key": "k"})
        again = post(user, "expand-idea", {"idea": IDEA}, **{"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert ServiceCallRecord.objects.count() == 1


@pytest.mark.parametrize("step", ["expand-idea", "review-idea"])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_lost_meanwhile_is_503_with_the_call(
    monkeypatch: pytest.MonkeyPatch, step: str, error: type[Exception]
) -> None:
    def away(call_id: str) -> None:
        raise error("server closed the connection unexpectedly")

    user = person()
    monkeypatch.setattr("orchestration.engine.execution.inline._announce", away)
    with scripted(expands() if step == "expand-idea" else Fault(kind="json", data=review_answer(0.8))):
        answer = post(user, step, {"idea": IDEA})
    call = ServiceCallRecord.objects.get()
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "database_away", "5")
    assert answer["Location"] == answer.json()["details"]["location"] == f"/api/v1/service-calls/{call.pk}"
    found = Client().get(answer["Location"], headers=with_key(user, "calls:read").headers)
    assert (found.status_code, found.json()["status"]) == (200, "succeeded")
