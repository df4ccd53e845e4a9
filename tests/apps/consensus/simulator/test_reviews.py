"""Simulated proposals and reviews read like real ones: about the idea, in order, and without a trace of a template."""

from __future__ import annotations

import json
import re

import pytest

from apps.accounts.models import User
from apps.consensus.models import PersonaReview, Run
from apps.consensus.workflow.start import Edits, start_revision
from orchestration.testing import drain
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person

pytestmark = pytest.mark.django_db
IDEAS = (
    "A shared calendar for choirs. It plans rehearsals and tells everybody.",
    "We should build an app that reminds patients to take their medicine.",
    "Let cyclists report potholes with a photo! The city sees them on a map.",
    "Bees",
    "I want to start the neighbourhood workshop, where people mend things together; tools are lent.",
)
REMAINS = re.compile(r"(?i)simulated|\{|\}|lorem|\bNone\b|\bthis idea idea\b|you said|answer to:|\.\.|\s\.|  ")


def decided(user: User, idea: str) -> Run:
    run = new_run(user, idea=idea)
    drain()
    run.refresh_from_db()
    assert run.status == "completed", run.error_context
    return run


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in texts(item) if key not in {"size", "severity"}]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("idea", IDEAS)
def test_a_run_reads_well(idea: str) -> None:
    run = decided(person(), idea)
    proposal = run.proposal.expanded_proposal_json
    assert len(set(proposal["assumptions"])) == 3
    assert proposal["scope_non_goals"]
    reviews = list(run.reviews.all())
    for text in texts([proposal, [review.review_json for review in reviews]]):
        assert not REMAINS.search(text), text
        assert text[0].isupper(), text
    for review in reviews:
        effort = review.review_json["estimated_effort"]
        assert 0 < effort["weeks_min"] < effort["weeks_max"]
        assert review.review_json["strengths"]
        assert review.review_json["concerns"]
        assert len(set(review.review_json["recommendations"])) >= 2
        assert all(text.endswith((".", "?")) for text in texts(review.review_json) if len(text) > 1)
    said = [text for review in reviews for text in review.review_json["strengths"]]
    assert len(said) == len(set(said)), "each persona has words of its own"


def test_the_guardian_alone_vetoes_what_exposes_people() -> None:
    exposed, safe = decided(person(), IDEAS[1]), decided(person(), IDEAS[3])
    blocked = PersonaReview.objects.filter(run=exposed, blocking_issues_present=True)
    assert [review.persona_id for review in blocked] == ["security_guardian"]
    assert blocked.get().review_json["blocking_issues"][0]["security_critical"] is True
    assert not PersonaReview.objects.filter(run=safe, blocking_issues_present=True).exists()
    assert exposed.decision_label != "approve"


def test_a_revision_takes_over_what_was_edited() -> None:
    user = person()
    parent = decided(user, IDEAS[1])
    edit = "Everything is encrypted, and access by role is recorded."
    revision, _ = start_revision(user, parent, Edits(edited_proposal=edit, edit_notes="The guardian asked for it."))
    drain()
    revision.refresh_from_db()
    assert edit in revision.proposal.expanded_proposal_json["proposed_solution"]
    guardian = revision.reviews.get(persona_id="security_guardian")
    assert not guardian.blocking_issues_present
    assert guardian.confidence_score > parent.reviews.get(persona_id="security_guardian").confidence_score


def test_the_same_run_is_reviewed_alike_each_time() -> None:
    """Scores that differ by chance would make demos and tests differ from run to run."""
    first, second = (decided(person(), IDEAS[0]) for _ in range(2))
    kept = [json.dumps([row.review_json for row in run.reviews.order_by("persona_id")]) for run in (first, second)]
    assert kept[0] == kept[1]
