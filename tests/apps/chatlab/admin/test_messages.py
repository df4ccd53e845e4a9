"""Simulations and chats in the admin: complete, read-only where they are a record, and cheap."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User
from apps.chatlab.models import ChatSession, Message
from apps.simulation.models import Simulation, SimulationMetadata
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.chatlab.conversation import OPENING, new_simulation, opened, say
from tests.apps.people import PASSWORD, person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", PASSWORD))
    return client


@pytest.fixture
def simulation() -> Simulation:
    caller = signed_in(person())
    simulation = opened(caller)
    say(caller, simulation, "<script>alert(1)</script>")
    drain()
    return simulation


LISTS = [Simulation, SimulationMetadata, ChatSession, Message]


@pytest.mark.parametrize("model", LISTS)
def test_a_list_costs_the_same_whatever_it_shows(console: Client, simulation: Simulation, model) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    console.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert console.get(url).status_code == 200
    for _ in range(3):
        new_simulation(signed_in(person()))
    with scripted(*[OPENING] * 3):
        drain()
    with CaptureQueriesContext(connection) as many:
        assert console.get(url).status_code == 200
    assert len(many) == len(few) <= 12


@pytest.mark.parametrize("model", LISTS)
def test_a_detail_page_opens(console: Client, simulation: Simulation, model) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[model.objects.first().pk])
    assert console.get(url).status_code == 200


def test_a_message_links_to_its_call_and_its_text_is_escaped(console: Client, simulation: Simulation) -> None:
    message = Message.objects.get(role="user")
    call = reverse("admin:orchestration_servicecallrecord_change", args=[message.call_id])
    for url in (
        reverse("admin:chatlab_message_changelist"),
        reverse("admin:chatlab_message_change", args=[message.pk]),
    ):
        page = console.get(url).content.decode()
        assert f'href="{call}"' in page
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page
    assert console.get(call).status_code == 200


def test_messages_are_found_but_not_changed(console: Client, simulation: Simulation) -> None:
    message = Message.objects.get(role="user")
    change = reverse("admin:chatlab_message_change", args=[message.pk])
    assert console.post(change, {"content": "rewritten"}).status_code == 403
    assert console.get(reverse("admin:chatlab_message_add")).status_code == 403
    found = console.get(reverse("admin:chatlab_message_changelist"), {"q": "alert"})
    assert len(found.context["cl"].result_list) == 1
    assert Message.objects.get(pk=message.pk).content != "rewritten"


def test_reading_messages_needs_its_permission_and_is_logged(console: Client, simulation: Simulation) -> None:
    message = Message.objects.get(role="user")
    reader = User.objects.create_user("staff@example.com", PASSWORD, is_staff=True, role="staff")
    reader.user_permissions.add(Permission.objects.get(codename="view_message", content_type__app_label="chatlab"))
    client, looks = (
        Client(),
        LogEntry.objects.filter(object_id=str(message.pk), change_message="Looked at the content."),
    )
    client.force_login(reader)
    for query in ("", "?q=alert", f"?q={message.call_id}"):
        page = client.get(f"{reverse('admin:chatlab_message_changelist')}{query}")
        assert "alert(1)" not in page.content.decode()
        assert len(page.context["cl"].result_list) == {"": Message.objects.count(), "?q=alert": 0}.get(query, 2)
    change = reverse("admin:chatlab_message_change", args=[message.pk])
    assert "alert(1)" not in client.get(change).content.decode()
    assert not looks.exists()
    assert "alert(1)" in console.get(change).content.decode()
    assert looks.get().user.email == "root@example.com"


def test_correcting_metadata_renews_the_checksum(console: Client, simulation: Simulation) -> None:
    simulation.refresh_from_db()
    before = simulation.metadata_checksum
    rows = list(simulation.metadata.all())
    form = {
        "sim_patient_full_name": simulation.sim_patient_full_name,
        "diagnosis": simulation.diagnosis,
        "chief_complaint": simulation.chief_complaint,
        "metadata-TOTAL_FORMS": len(rows),
        "metadata-INITIAL_FORMS": len(rows),
    }
    for index, row in enumerate(rows):
        fields = {"id": row.pk, "simulation": simulation.pk, "kind": row.kind, "key": row.key, "extra": "{}"}
        form |= {f"metadata-{index}-{name}": value for name, value in fields.items()}
        form[f"metadata-{index}-value"] = "corrected"
    answer = console.post(reverse("admin:simulation_simulation_change", args=[simulation.pk]), form)

    assert answer.status_code == 302, answer.content.decode()
    simulation.refresh_from_db()
    assert simulation.metadata_checksum != before
    assert set(simulation.metadata.values_list("value", flat=True)) == {"corrected"}


def test_a_message_links_to_its_calls_and_exports_as_a_dialogue(
    console: Client, simulation: Simulation, settings, tmp_path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    reply = Message.objects.filter(simulation=simulation, reply_to__isnull=False).latest("pk")
    page = console.get(reverse("admin:chatlab_message_change", args=(reply.pk,))).content.decode()
    assert f'created by <a href="/admin/orchestration/servicecallrecord/{reply.call_id}/change/">' in page
    page = console.get(reverse("admin:simulation_simulation_change", args=(simulation.pk,))).content.decode()
    assert "Provenance" in page
    data = {"action": "export_selected", "_selected_action": [reply.pk], "confirmed": "yes", "format": "dialogues"}
    page = console.post(reverse("admin:chatlab_message_changelist"), data, follow=True).content.decode()
    (link,) = set(re.findall(r'href="([^"]+/download/)"', page))
    line = b"".join(console.get(link).streaming_content)
    assert json.loads(line)["messages"][0] == {"role": "user", "content": "<script>alert(1)</script>"}
