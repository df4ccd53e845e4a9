"""Revisions: the edit reaches the prompt, the difference is kept, and only who has a reason reviews again."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.consensus.models import PersonaReview, Run
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.consensus.calling import V1Caller, caller
from tests.apps.consensus.reviewing import IDEA, PROPOSAL, blocking, expands, new_run, says, script
from tests.apps.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return person()


@pytest.fixture
def api(ann: User) -> V1Caller:
    return caller(ann)


@pytest.fixture
def parent(ann: User) -> Run:
    """The critic scored low, the advocate has a blocking issue, the guardian a concern; two others are content."""
    faults = script(
        critic=says("critic", 0.69),
        user_advocate=says("user_advocate", 0.9, blocking_issues=blocking()),
        security_guardian=says("security_guardian", 0.9, concerns=[{"text": "Keys.", "is_blocking": False}]),
    )
    with scripted(*faults):
        run = new_run(ann)
        drain()
    run.refresh_from_db()
    return run


def revised(api: V1Caller, parent: Run, body: dict[str, Any], *faults: Fault) -> Run:
    with scripted(*(faults or script())):
        answer = api.post(f"/runs/{parent.pk}/revisions", body)
        assert answer.status_code == 202, answer.content
        drain()
    return Run.objects.get(pk=answer.json()["run_id"])


def test_only_affected_personas_review_again(api: V1Caller, parent: Run) -> None:
    """The other reviews are reused and marked."""
    run = revised(api, parent, {"edit_notes": "Please look again."})
    assert (run.status, run.run_type, run.parent_run_id) == ("completed", "revision", parent.pk)
    reused = {review.persona_id: review.reused for review in run.reviews.all()}
    assert reused == {
        "architect": True,
        "critic": False,
        "optimist": True,
        "security_guardian": False,
        "user_advocate": False,
    }
    asked = ServiceCallRecord.objects.filter(related_object_id=run.pk)
    assert asked.count() == 4
    assert run.steps.get(step="review_architect").attempt_count == 0
    assert run.decision_label == "approve"


def test_the_edited_text_reaches_the_prompts(api: V1Caller, parent: Run) -> None:
    body = {"edited_proposal": "Use CalDAV instead of our own protocol.", "edit_notes": "The pilot choir asked for it."}
    run = revised(api, parent, body)
    expand = AIRequestAudit.objects.get(call__consensus_steps__step="expand", call__related_object_id=run.pk)
    developer, user = (message["content"] for message in expand.messages)
    assert body["edited_proposal"] in user
    assert body["edit_notes"] in user
    assert PROPOSAL["problem_statement"] in user
    assert body["edited_proposal"] not in developer
    critic = AIRequestAudit.objects.get(call__consensus_steps__step="review_critic", call__related_object_id=run.pk)
    assert body["edit_notes"] in critic.messages[1]["content"]


def test_edited_fields_stand_as_written_and_the_diff_is_stored(api: V1Caller, parent: Run) -> None:
    edit = {"proposed_solution": "A paper calendar.", "assumptions": ["Everybody has a wall."]}
    run = revised(api, parent, {"edited_proposal": edit})
    assert run.proposal.expanded_proposal_json == {**PROPOSAL, **edit}
    assert run.proposal.proposal_diff_json["changed"] == ["proposed_solution", "assumptions"]
    fields = run.proposal.proposal_diff_json["fields"]
    assert fields["proposed_solution"]["lines"] == ["- A shared calendar.", "+ A paper calendar."]
    assert fields["assumptions"] == {"added": ["Everybody has a wall."], "removed": ["Everybody has a phone."]}
    critic = AIRequestAudit.objects.get(call__consensus_steps__step="review_critic", call__related_object_id=run.pk)
    assert "A paper calendar." in critic.messages[1]["content"]


def test_idea_context_model_and_temperature_can_be_overridden(api: V1Caller, parent: Run) -> None:
    body = {"idea": "Another idea.", "extra_context": "More.", "model": "gpt-4o", "temperature": 0.5}
    run = revised(api, parent, body)
    assert (run.input_idea, run.extra_context, run.model, str(run.temperature)) == (
        "Another idea.",
        "More.",
        "gpt-4o",
        "0.50",
    )
    audit = AIRequestAudit.objects.get(call__consensus_steps__step="review_critic", call__related_object_id=run.pk)
    assert (audit.model, audit.parameters["temperature"]) == ("gpt-4o", 0.5)
    parent.refresh_from_db()
    assert parent.input_idea != run.input_idea


def test_a_revision_that_affects_nobody_is_decided_at_once(ann: User, api: V1Caller) -> None:
    with scripted(*script()):
        content = new_run(ann)
        drain()
    content.refresh_from_db()
    run = revised(api, content, {"edit_notes": "Only a note."}, expands())
    assert run.status == "completed"
    assert run.reviews.filter(reused=True).count() == 5


def test_a_reused_review_that_no_longer_validates_is_asked_again(api: V1Caller, parent: Run) -> None:
    review = parent.reviews.get(persona_id="architect")
    PersonaReview.objects.filter(pk=review.pk).update(review_json={**review.review_json, "strengths": [""]})
    run = revised(api, parent, {"edit_notes": "Again."})
    assert run.reviews.get(persona_id="architect").reused is False


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"edit_notes": "  "}, 422),
        ({"edited_proposal": {}}, 422),
        ({"edited_proposal": {"colour": "red"}}, 422),
        ({"edited_proposal": {"title": " "}}, 422),
        ({"temperature": 2.01}, 422),
        ({"temperature": -0.1}, 422),
        ({"edit_notes": "x", "surprise": 1}, 422),
        ({"temperature": 2}, 202),
        ({"extra_context": "More."}, 202),
        ({"edited_proposal": "x" * 50_000}, 202),
        ({"edited_proposal": "x" * 50_001}, 422),
    ],
)
@pytest.mark.sampled(4)
def test_a_revision_needs_a_real_edit(api: V1Caller, parent: Run, body: dict[str, Any], status: int) -> None:
    assert api.post(f"/runs/{parent.pk}/revisions", body).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"extra_context": None},
        {"extra_context": {}},
        {"idea": IDEA},
        {"idea": f"  {IDEA} "},
        {"model": "gpt-4o-mini"},
        {"temperature": 0.2},
        {"temperature": "0.20"},
        {"edited_proposal": {"title": PROPOSAL["title"]}},
        {"edited_proposal": {**PROPOSAL, "summary": f" {PROPOSAL['summary']}\n"}},
        {"edited_proposal": PROPOSAL, "idea": IDEA, "edit_notes": " ", "model": "gpt-4o-mini", "temperature": 0.2},
    ],
)
@pytest.mark.sampled(4)
def test_a_revision_that_changes_nothing_is_refused_unpaid(api: V1Caller, parent: Run, body: dict[str, Any]) -> None:
    calls = ServiceCallRecord.objects.count()
    answer = api.post(f"/runs/{parent.pk}/revisions", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_edited"), answer.content
    assert (ServiceCallRecord.objects.count(), Run.objects.count()) == (calls, 1)


@pytest.mark.parametrize(
    "body",
    [
        {"edited_proposal": {**PROPOSAL, "assumptions": []}},
        {"temperature": 0.3},
        {"edited_proposal": {"title": PROPOSAL["title"]}, "edit_notes": "Look again."},
    ],
)
def test_a_revision_that_changes_something_is_taken(api: V1Caller, parent: Run, body: dict[str, Any]) -> None:
    assert api.post(f"/runs/{parent.pk}/revisions", body).status_code == 202


def test_a_key_names_only_the_models_that_it_may_use(ann: User, parent: Run) -> None:
    api = caller(ann, allowed_models=["gpt-4o-mini"])
    refused = api.post(f"/runs/{parent.pk}/revisions", {"model": "gpt-4o"})
    assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
    body = {"model": "gpt-4o-mini", "edit_notes": "Again."}
    assert api.post(f"/runs/{parent.pk}/revisions", body).status_code == 202


def test_a_run_that_is_not_completed_cannot_be_revised(ann: User, api: V1Caller) -> None:
    answer = api.post(f"/runs/{new_run(ann).pk}/revisions", {"edit_notes": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "parent_not_completed")


def test_deleting_a_run_keeps_its_revisions(api: V1Caller, parent: Run) -> None:
    run = revised(api, parent, {"edit_notes": "x"})
    parent.delete()
    run.refresh_from_db()
    assert (run.parent_run_id, run.reviews.count()) == (None, 5)


def test_two_runs_are_compared_without_asking_a_model(api: V1Caller, parent: Run) -> None:
    faults = script(critic=says("critic", 0.95, blocking_issues=blocking("Slow.")))
    run = revised(api, parent, {"edited_proposal": {"title": "Paper"}}, *faults)
    with scripted() as simulation:
        diff = api.get(f"/runs/{parent.pk}/diff/{run.pk}").json()
    assert not simulation.request_log.entries
    assert diff["proposal"]["changed"] == ["title"]
    critic = next(persona for persona in diff["personas"] if persona["persona_id"] == "critic")
    assert (critic["before"], critic["after"], critic["delta"]) == ("0.6900", "0.9500", "0.2600")
    assert critic["blocking_issues"] == {"added": ["Slow."], "removed": []}
    assert diff["decision"]["before"]["decision"] == diff["decision"]["after"]["decision"] == "approve"
    assert diff["decision"]["delta"] == "0.0650"
    backwards = api.get(f"/runs/{run.pk}/diff/{parent.pk}").json()
    assert backwards["decision"]["delta"] == "-0.0650"
