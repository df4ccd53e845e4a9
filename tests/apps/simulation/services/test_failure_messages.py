"""What people are told about a call without a result is true, and names what helps."""

from __future__ import annotations

import re

import pytest

from apps.simulation.services.failure_messages import CAUSES, Cause, Subject, cause_of, explanation, reason_of
from orchestration.providers.errors import BY_STATUS, FAILED, REFUSED

WORDING = re.compile(r"other words|rephrase|something else", re.IGNORECASE)


@pytest.mark.parametrize("subject", Subject)
@pytest.mark.parametrize("code", [*CAUSES, "prompt_failed", "poisoned", "a code of tomorrow", ""])
def test_other_words_are_asked_for_only_when_the_model_declined(code: str, subject: Subject) -> None:
    said = explanation(code, subject)
    assert said.endswith(".")
    assert not WORDING.search(said) or cause_of(code).rewording_helps
    assert "Try again" in said or not cause_of(code).retry_helps


def test_every_status_of_a_provider_has_a_cause_of_its_own() -> None:
    causes = {meaning.code: cause_of(meaning.code) for meaning in (*BY_STATUS.values(), FAILED)}
    assert causes["provider_auth"] is causes["provider_forbidden"] is causes["insufficient_quota"] is Cause.CREDENTIALS
    assert causes["provider_unavailable"] is causes["timeout"] is Cause.OUTAGE
    assert causes["rate_limited"] is Cause.BUSY
    assert cause_of(REFUSED.code) is Cause.FAULT  # of ours: the request was wrong


def test_feedback_that_failed_is_called_feedback() -> None:
    assert reason_of("provider_unavailable", Subject.FEEDBACK) == "The feedback could not be written."
    assert "patient" not in explanation("provider_unavailable", Subject.FEEDBACK)
    assert reason_of("provider_unavailable") == "The simulated patient could not answer."
