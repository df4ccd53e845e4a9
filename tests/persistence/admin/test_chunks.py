"""Chunks and objects in the admin: from a row to any domain object, deleted ones and foreign models included."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.simulation.models import Simulation
from persistence.models import ObjectRole, PersistedChunk, PersistedObject
from tests.columns import columns_handed_out
from tests.orchestration.admin.rows import HOSTILE, persisted_as, succeeded

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

CHUNKS = reverse("admin:persistence_persistedchunk_changelist")
OBJECTS = reverse("admin:persistence_persistedobject_changelist")


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def chunk_page(chunk: PersistedChunk) -> str:
    return reverse("admin:persistence_persistedchunk_change", args=(chunk.pk,))


def user_page(user: User) -> str:
    return reverse("admin:accounts_user_change", args=(user.pk,))


def test_a_hundred_rows_of_many_models_cost_twelve_queries(root: Client) -> None:
    kinds = list(ContentType.objects.all())
    for index in range(100):
        kind = kinds[index % len(kinds)]
        chunk = PersistedChunk.objects.create(
            call_id=str(index), schema_identity="s", namespace="n", content_type=kind, object_id=str(index)
        )
        PersistedObject.objects.create(chunk=chunk, content_type=kind, object_id=str(index))
    ContentType.objects.clear_cache()
    for url in (CHUNKS, OBJECTS):
        with CaptureQueriesContext(connection) as captured:
            response = root.get(url)
        assert len(response.context["cl"].result_list) == 50
        assert len(captured) <= 12, [query["sql"] for query in captured]
        assert not [query for query in captured if "COUNT(" in query["sql"].upper()]


def test_the_lists_link_objects_and_tell_deleted_ones(root: Client) -> None:
    present, deleted = (User.objects.create_user(f"{name}@example.com", "pw") for name in ("a", "b"))
    call = succeeded()
    persisted_as(call, present, deleted)
    key = deleted.pk
    deleted.delete()
    assert user_page(present) in root.get(CHUNKS).content.decode()
    html = root.get(OBJECTS).content.decode()
    assert user_page(present) in html
    assert f'<span class="orca-gone">user {key}</span> deleted' in html


def test_a_chunk_shows_its_call_object_handler_and_changes(root: Client) -> None:
    primary, other = (User.objects.create_user(f"{name}@example.com", "pw") for name in ("a", "b"))
    call = succeeded()
    chunk = persisted_as(call, primary, other)
    html = root.get(chunk_page(chunk)).content.decode()
    for text in (call.pk, user_page(primary), user_page(other), "TriagePersistence", "&quot;made&quot;: 1", "updated"):
        assert text in html, text
    assert LogEntry.objects.filter(object_id=str(chunk.pk)).exists()


def test_a_chunk_outlives_its_call_and_says_so(root: Client) -> None:
    chunk = PersistedChunk.objects.create(call_id="pruned", schema_identity="s", namespace="n")
    assert "pruned (pruned)" in root.get(chunk_page(chunk)).content.decode()


@pytest.mark.parametrize("key", ["1", "not-a-key", "4f6b2cab-3dc9-4e25-8595-171e20ba5e0b", "9" * 40])
def test_deleted_objects_and_impossible_keys_show_as_deleted(root: Client, key: str) -> None:
    kind = ContentType.objects.get_for_model(Permission if key == "not-a-key" else Group)
    chunk = PersistedChunk.objects.create(
        call_id="c", schema_identity="s", namespace="n", content_type=kind, object_id=key
    )
    assert "(deleted)" in root.get(chunk_page(chunk)).content.decode()


def test_a_model_that_left_the_code_is_told_as_deleted(root: Client) -> None:
    gone = ContentType.objects.create(app_label="gone", model="thing")
    chunk = PersistedChunk.objects.create(
        call_id="c", schema_identity="s", namespace="n", content_type=gone, object_id="7"
    )
    touched = PersistedObject.objects.create(chunk=chunk, content_type=gone, object_id="7", role=ObjectRole.PRIMARY)
    for url in (chunk_page(chunk), reverse("admin:persistence_persistedobject_change", args=(touched.pk,))):
        assert "gone.thing 7 (deleted)" in root.get(url).content.decode()


def test_an_object_without_an_admin_page_is_shown_field_by_field(root: Client) -> None:
    session = Session.objects.create(session_key=HOSTILE[:40], session_data="secret", expire_date=timezone.now())
    chunk = persisted_as(succeeded(), session)
    html = root.get(chunk_page(chunk)).content.decode()
    assert "it has no page in this console" in html
    assert "expire date" in html
    assert "&lt;script&gt;" in html
    assert HOSTILE[:20] not in html
    assert "secret" not in html


@pytest.mark.parametrize(("page", "column"), [("persistedchunk", "summary"), ("persistedobject", "changes")])
def test_no_more_of_long_values_is_read_than_a_page_shows(root: Client, page: str, column: str) -> None:
    long = [{"words": "x" * 1000}] * 1000
    simulation = Simulation.objects.create(
        user=User.objects.get(), scenario="y" * 500_000, findings=long, modifiers=[{"kind": "short"}]
    )
    chunk = persisted_as(succeeded(), simulation)
    PersistedChunk.objects.update(summary=long)
    PersistedObject.objects.update(changes={"findings": [[], long]})
    row = chunk if column == "summary" else chunk.objects_touched.get()
    with columns_handed_out() as read:
        html = root.get(reverse(f"admin:persistence_{page}_change", args=(row.pk,))).content.decode()
    assert html.count("(cut)") == 2, "scenario and findings"
    assert "&quot;kind&quot;: &quot;short&quot;" in html
    assert len(html) < 1_000_000
    assert "object_id" in read
    assert read.isdisjoint({"scenario", "findings", "summary", "changes"})
    download = reverse(f"admin:persistence_{page}_content", args=(row.pk, column))
    assert f'href="{download}"' in html
    assert root.get(download).json() == getattr(type(row).objects.get(), column)


def test_an_object_whose_content_type_is_gone_is_still_reported(root: Client) -> None:
    gone = ContentType.objects.create(app_label="gone", model="thing")
    chunk = PersistedChunk.objects.create(
        call_id="c", schema_identity="s", namespace="n", content_type=gone, object_id="7"
    )
    touched = PersistedObject.objects.create(chunk=chunk, content_type=gone, object_id="7", changes={"a": [1, 2]})
    gone.delete()
    touched.refresh_from_db()
    assert (touched.content_type, touched.label) == (None, "gone.thing 7")
    for url in (chunk_page(chunk), reverse("admin:persistence_persistedobject_change", args=(touched.pk,))):
        html = root.get(url).content.decode()
        assert "gone.thing 7 (its model is gone)" in html
        assert "no longer part of this system" in html
    assert "gone.thing 7 (its model is gone)" in root.get(OBJECTS).content.decode()


def test_a_call_page_lists_its_domain_objects_and_its_chunks(root: Client) -> None:
    person = User.objects.create_user("a@example.com", "pw")
    call = succeeded()
    chunk = persisted_as(call, person)
    html = root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert user_page(person) in html
    assert chunk_page(chunk) in html


def test_more_objects_than_a_page_takes_are_cut_and_reported(root: Client) -> None:
    people = [User.objects.create_user(f"p{i}@example.com", "pw") for i in range(105)]
    html = root.get(chunk_page(persisted_as(succeeded(), *people))).content.decode()
    assert "and more than 100 in all" in html


def test_changes_and_summary_need_the_permission_to_view_content() -> None:
    user = User.objects.create_user("viewer@example.com", "pw", is_staff=True, role="staff")
    wanted = ("view_persistedchunk", "view_persistedobject", "view_servicecallrecord")
    user.user_permissions.add(*Permission.objects.filter(codename__in=wanted))
    client = Client()
    client.force_login(user)
    chunk = persisted_as(succeeded(), user)
    touched = chunk.objects_touched.get()
    html = client.get(chunk_page(chunk)).content.decode()
    assert "Hidden" in html
    assert "made" not in html
    html = client.get(reverse("admin:persistence_persistedobject_change", args=(touched.pk,))).content.decode()
    assert "Hidden" in html


def test_without_the_permission_a_call_page_shows_no_chunks() -> None:
    user = User.objects.create_user("viewer@example.com", "pw", is_staff=True, role="staff")
    user.user_permissions.add(Permission.objects.get(codename="view_servicecallrecord"))
    client = Client()
    client.force_login(user)
    call = succeeded(user)
    html = client.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert "Domain objects" not in html


def test_chunks_and_objects_are_never_edited(root: Client) -> None:
    chunk = persisted_as(succeeded(), User.objects.get())
    assert root.post(chunk_page(chunk), {"part": "x"}).status_code == 403
    assert root.get(reverse("admin:persistence_persistedobject_add")).status_code == 403
