"""From one call to those like it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from apps.accounts.models import User
from orchestration.admin.similar_calls import similar_calls
from orchestration.clock import database_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.prompt_overrides import forget_texts
from orchestration.stats import prompt_use
from orchestration.testing import drain
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")
SECTION = "prompts.engineapp.default.TriageSection"


def links(call: ServiceCallRecord) -> dict[str, str]:
    return {fact.label: str(fact.url) for fact in similar_calls(call)}


def listed(client: Client, url: str) -> set[str]:
    return {row.pk for row in client.get(url).context["cl"].result_list}


def test_calls_of_the_same_cause_are_listed(root: Client) -> None:
    """Numbers in the message do not matter, the rest of it does; those that wait for another try are among them."""
    call = failed(error_code="timeout", error="No answer within 30 s.")
    others = [
        failed(error="No answer within 31 s."),
        queued(error_code="timeout", error="No answer within 9 s.", failures=1),
    ]
    failed(error="The connection was reset.")
    url = links(call)["Similar calls"]
    assert listed(root, url) == {call.pk, *(other.pk for other in others)}
    page = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert escape(url) in page


def test_an_old_failure_is_found_by_its_code() -> None:
    call = failed(created_at=database_now() - timedelta(days=30))
    assert links(call)["Similar calls"].endswith("error_code=timeout")


def test_a_cause_that_is_not_there_finds_nothing(root: Client) -> None:
    failed()
    answer = root.get(f"{LIST}?cause=0123456789abcdef")
    assert "No call failed with the fingerprint 0123456789abcdef" in answer.content.decode()
    assert not answer.context["cl"].result_list


def test_calls_with_the_same_prompt_text_are_listed(root: Client) -> None:
    text = PromptText(section=SECTION, part="instruction", text="Be brief.")
    text.publish()
    meta = {"sections": [{"identity": SECTION, "texts": {"instruction": 1}}]}
    one, other, without = queued(), queued(), queued()
    for call in (one, other):
        request_audit(call, prompt_meta=meta).save()
    assert listed(root, links(one)["Same prompt text"]) == {one.pk, other.pk}
    assert "Same prompt text" not in links(without)


def test_calls_of_the_same_code_have_the_same_prompt_version(root: Client) -> None:
    """No text of an operator is needed for that; an edited one makes another version."""

    def asked() -> ServiceCallRecord:
        call = submit(CallSpec(service="services.engineapp.default.Triage", context={"ticket": "it burns"}))
        drain()
        return call

    one, other = asked(), asked()
    url = links(one)["Same prompt version"]
    assert "Same prompt text" not in links(one)
    PromptText(section=SECTION, part="instruction", text="Be brief.").publish()
    forget_texts()
    edited = asked()
    assert listed(root, url) == {one.pk, other.pk}
    assert listed(root, links(edited)["Same prompt version"]) == {edited.pk}
    assert listed(root, f"{LIST}?prompt_version={'0' * 16}.0") == set()
    assert "is 16 digits from 0 to f" in root.get(f"{LIST}?prompt_version=v1").content.decode()


def test_an_old_call_is_looked_for_in_its_own_time(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_use, "NEWEST_REQUESTS", 1)
    meta, old, newer = {"sections": [], "version": "0123456789abcdef"}, queued(), queued()
    request_audit(old, prompt_meta=meta, dispatched_at=database_now() - timedelta(days=30)).save()
    request_audit(newer, prompt_meta=meta).save()
    assert listed(root, links(old)["Same prompt version"]) == {old.pk}
    assert listed(root, links(newer)["Same prompt version"]) == {newer.pk}


def test_calls_about_the_same_object_are_listed(root: Client) -> None:
    ada, eve = (User.objects.create_user(f"{name}@example.com", "pw") for name in ("ada", "eve"))
    one, other = succeeded(ada), succeeded(ada)
    succeeded(eve)
    assert listed(root, links(one)["Calls of the same object"]) == {one.pk, other.pk}
