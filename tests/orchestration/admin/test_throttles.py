"""Limits, circuits and pauses in the admin: who may, what is logged, what the workers own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestration.models import Pause, ProviderCircuit, RateLimit
from tests.orchestration.factories import SERVICE, queued, running

PAUSES = reverse("admin:orchestration_pause_changelist")
ADD_PAUSE = reverse("admin:orchestration_pause_add")


def test_a_pause_has_a_reason_an_author_and_a_log_entry(root: Client) -> None:
    root.post(ADD_PAUSE, {"kind": "service", "name": "engineapp.default.Triage", "reason": "prompt is wrong"})
    pause = Pause.objects.get()
    assert (pause.name, pause.reason) == (SERVICE, "prompt is wrong")
    assert pause.paused_by is not None
    assert LogEntry.objects.filter(object_id=str(pause.pk)).count() == 1


@pytest.mark.parametrize(
    ("kind", "name", "told"), [("service", "a.b.c", "a.b.c"), ("model", "gpt-4o", "is not a route: write")]
)
def test_a_name_that_means_nothing_is_refused_with_the_reason(root: Client, kind: str, name: str, told: str) -> None:
    page = root.post(ADD_PAUSE, {"kind": kind, "name": name}).content.decode()
    assert told in page
    assert not Pause.objects.exists()


def test_a_pause_is_chosen_from_what_exists(root: Client) -> None:
    queued(model_requested="o4", client="other")
    page = root.get(ADD_PAUSE).content.decode()
    for known in (SERVICE, "default/gpt-4o-mini", "default/*", "other/o4", "other/*", "*/*"):
        assert f'<option value="{known}">' in page, known
    page = root.post(ADD_PAUSE, {"kind": "model", "name": "openai/gpt-4o"}).content.decode()
    assert "Nothing goes to openai/gpt-4o, so it would hold nothing. There are: default/gpt-4o-mini" in page
    assert not Pause.objects.exists()
    root.post(ADD_PAUSE, {"kind": "model", "name": "other/o*"})
    assert Pause.objects.get().name == "other/o*"


def test_a_pause_says_what_it_holds_now(root: Client) -> None:
    queued(), queued(), queued(client="default", model_requested="o4"), running()
    page = root.post(ADD_PAUSE, {"kind": "model", "name": "default/o4"}, follow=True).content.decode()
    assert "It holds back 1 queued calls now; running calls continue." in page
    root.post(ADD_PAUSE, {"kind": "service", "name": SERVICE})
    page = root.get(PAUSES).content.decode()
    assert "1 queued" in page
    assert "3 queued" in page


def test_a_limit_is_chosen_from_what_exists(root: Client) -> None:
    add = reverse("admin:orchestration_ratelimit_add")
    queued(client="default", model_requested="o4")
    assert '<option value="default/o4">' in root.get(add).content.decode()
    page = root.post(add, {"pattern": "openai/gpt-4o", "parallel": 1}).content.decode()
    assert "Nothing goes to openai/gpt-4o" in page
    page = root.post(add, {"pattern": "default/o4", "parallel": 1}, follow=True).content.decode()
    assert "1 queued calls come under default/o4 now." in page
    assert RateLimit.objects.get().pattern == "default/o4"


def test_what_is_paused_already_is_reported(root: Client) -> None:
    for _ in range(2):
        page = root.post(ADD_PAUSE, {"kind": "model", "name": "default/*"}).content.decode()
    assert "This is paused already." in page


def test_resuming_ends_the_pause_and_is_logged(root: Client) -> None:
    pause = Pause.start("service", SERVICE)
    page = root.post(PAUSES, {"action": "resume_selected", "_selected_action": [pause.pk]}, follow=True)
    assert f"Resumed: service {SERVICE}." in page.content.decode()
    assert not Pause.objects.exists()
    assert LogEntry.objects.filter(object_id=str(pause.pk), change_message="Resumed.").exists()


def test_pausing_and_resuming_need_their_own_permission(staff: Callable[..., Client]) -> None:
    pause = Pause.start("service", SERVICE)
    looker = staff("view_pause", "add_pause", "delete_pause")
    assert looker.get(PAUSES).status_code == 200
    assert looker.post(ADD_PAUSE, {"kind": "model", "name": "default/*"}).status_code == 403
    looker.post(PAUSES, {"action": "resume_selected", "_selected_action": [pause.pk]})
    assert Pause.objects.count() == 1


def test_an_edited_limit_replaces_the_setting(root: Client) -> None:
    """The buckets are left to the workers."""
    row = RateLimit.objects.create(
        pattern="default/o3", source="settings", parallel=3, requests_available=4.5, refilled_at=timezone.now()
    )
    url = reverse("admin:orchestration_ratelimit_change", args=(row.pk,))
    root.post(url, {"pattern": "default/o3", "parallel": 9})
    row.refresh_from_db()
    assert (row.parallel, row.source, row.requests_available) == (9, "admin", 4.5)


def test_a_limit_for_no_route_or_of_nothing_is_refused(root: Client) -> None:
    page = root.post(reverse("admin:orchestration_ratelimit_add"), {"pattern": "o3", "parallel": 0}).content.decode()
    assert "such as &quot;default/gpt-4o-mini&quot;" in page
    assert "greater than or equal to 1" in page


def test_the_page_shows_what_a_provider_asked_for_and_was_given(root: Client) -> None:
    soon = timezone.now() + timedelta(seconds=90)
    RateLimit.objects.create(pattern="default/a", source="provider", blocked_until=soon, asked_seconds=86_400)
    RateLimit.objects.create(pattern="default/b", source="provider", blocked_until=soon, asked_seconds=120)
    RateLimit.objects.create(pattern="default/c", source="provider", blocked_until=timezone.now(), asked_seconds=77)
    page = root.get(reverse("admin:orchestration_ratelimit_changelist")).content.decode()
    assert "The provider asked to wait 86,400 s, capped at 600 s." in page
    assert "120 s" in page
    assert "77 s" not in page


def test_the_state_of_a_circuit_is_shown(root: Client) -> None:
    now = timezone.now()
    ProviderCircuit.objects.create(client="default", state="open", failures=7, opened_at=now, retry_at=now)
    page = root.get(reverse("admin:orchestration_providercircuit_changelist")).content.decode()
    table = re.sub(r"<[^>]+>|\s+", " ", page[page.index("<tbody") : page.index("</tbody>")]).split()
    assert "default" in table
    assert table[table.index("default") + 1 :][:2] == ["open", "7"]


@pytest.mark.django_db
def test_the_commands_pause_and_resume(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("pause", "service", "engineapp.default.Triage", reason="x")
    assert Pause.objects.get().name == SERVICE
    with pytest.raises(CommandError, match="is paused already"):
        call_command("pause", "service", SERVICE)
    call_command("resume", "service", "engineapp.default.Triage")
    assert not Pause.objects.exists()
    with pytest.raises(CommandError, match="is not paused"):
        call_command("resume", "service", SERVICE)
    with pytest.raises(CommandError, match="is not a route"):
        call_command("pause", "model", "x")
    with pytest.raises(CommandError, match="Nothing goes to openai/gpt-4o"):
        call_command("pause", "model", "openai/gpt-4o")
    assert capsys.readouterr().out == f"Paused: service {SERVICE}.\nResumed: service {SERVICE}.\n"
