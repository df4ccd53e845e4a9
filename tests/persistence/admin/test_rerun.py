"""Rerun with another model, temperature or prompt, and two calls side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from orchestration.testing import drain
from persistence.reprocessing.rerun import rerun
from persistence.testing import persist
from tests.orchestration.admin.rows import HOSTILE, succeeded
from tests.orchestration.factories import queued
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def url(call: ServiceCallRecord) -> str:
    return reverse("admin:persistence_rerun", args=(call.pk,))


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_prompt_is_edited_a_rerun_asked_and_both_compared(root: Client) -> None:
    call = succeeded()
    page = html(root.get(url(call)))
    assert "You triage." in page
    assert "1 call</strong> will be made" in page
    data = {"model": "gpt-4o", "temperature": "0.1", "message_0": "You triage well.", "message_1": "", "reason": "try"}
    page = html(root.post(url(call), data, follow=True))
    new_call = ServiceCallRecord.objects.get(parent=call)
    assert new_call.service_kwargs == {
        "model": "gpt-4o",
        "client": None,
        "parameters": {"temperature": 0.1},
        "messages": [{"role": "developer", "content": "You triage well."}],
    }
    assert 'hx-trigger="every 2s"' in page, "it follows the call that still waits"
    drain()
    page = html(root.get(reverse("admin:persistence_compare", args=(call.pk, new_call.pk))))
    assert 'hx-trigger="every 2s"' not in page
    assert "<del>You triage.</del>" in page
    assert "<ins>You triage well.</ins>" in page
    notes = LogEntry.objects.filter(object_id=call.pk).values_list("change_message", flat=True)
    assert f"Rerun as {new_call.pk}. try" in list(notes)
    assert LogEntry.objects.filter(object_id=new_call.pk, change_message=f"Rerun of {call.pk}. try").exists()


def test_a_prompt_that_is_left_alone_is_rendered_again(root: Client) -> None:
    call = succeeded()
    same = {"message_0": "You triage.", "message_1": "The ticket: it burns"}
    root.post(url(call), same)
    assert "messages" not in ServiceCallRecord.objects.get(parent=call).service_kwargs


def test_two_results_are_compared_without_keys_and_times(root: Client) -> None:
    one = memo("same")
    persist(one)
    two = memo("same", parent=one)
    where = reverse("admin:persistence_compare", args=(one.pk, two.pk))
    assert "&quot;content&quot;: &quot;same&quot;" in html(root.get(where)), "rows are shown as JSON"
    persist(two)
    assert "Apart from keys and times, they became the same." in html(root.get(where))
    Message.objects.filter(pk=Message.objects.latest("pk").pk).update(content="other")
    page = html(root.get(where))
    assert "$.seedapp.Message[0].content" in page
    assert "<ins>other</ins>" in page
    assert LogEntry.objects.filter(change_message__startswith="Looked at the content, beside").count() == 6
    root.get(where, headers={"HX-Request": "true"})
    assert LogEntry.objects.filter(change_message__startswith="Looked").count() == 6, "a refresh is not another access"


def test_without_the_content_permission_nothing_is_compared(
    staff: Callable[..., Client],
) -> None:
    """No prompt is shown either."""
    client, call = staff("view_servicecallrecord", "replay_servicecallrecord"), succeeded()
    page = html(client.get(url(call)))
    assert "You triage." not in page
    assert "Hidden" in page
    client.post(url(call), {"model": "gpt-4o", "message_0": "mine"})
    new_call = ServiceCallRecord.objects.get(parent=call)
    assert "messages" not in new_call.service_kwargs
    assert client.get(reverse("admin:persistence_compare", args=(call.pk, new_call.pk))).status_code == 403
    assert staff("view_servicecallrecord").get(url(call)).status_code == 403


def test_an_open_call_is_not_rerun_and_a_bad_temperature_refused(root: Client) -> None:
    assert "it has no answer of its own yet" in html(root.get(url(queued()), follow=True))
    assert "less than or equal to 2" in html(root.post(url(succeeded()), {"temperature": "7"}))
    assert not ServiceCallRecord.objects.filter(parent__isnull=False).exists()


def test_markup_in_prompts_and_answers_stays_text(root: Client) -> None:
    call = succeeded(prompt=HOSTILE, result={"structured_data": {"reason": HOSTILE}})
    other = rerun(call)
    for page in (root.get(url(call)), root.get(reverse("admin:persistence_compare", args=(call.pk, other.pk)))):
        assert HOSTILE not in page.content.decode()
