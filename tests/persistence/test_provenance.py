"""From objects to calls and back."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory

from apps.accounts.models import User
from orchestration.admin.call_actions import call_url
from persistence.provenance import ProvenanceMixin, call_for, entries_for, objects_for
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import one_message
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_provenance_is_the_call_that_made_an_object():
    """A call that changed it later is not."""
    made = note(one_message)
    persist(made)
    message = Message.objects.get()
    persist(note(lambda handler, response: Message.objects.filter(pk=message.pk).update(content="x")))
    assert call_for(message) == made
    assert call_for(Message.objects.create(role="by hand")) is None


def test_the_objects_of_a_call_with_those_that_are_gone():
    record = note(lambda h, r: Message.objects.bulk_create([Message(role="a"), Message(role="b")]))
    persist(record)
    Message.objects.filter(role="b").delete()
    assert [found.object for found in objects_for(record)] == [Message.objects.get(), None]


def test_the_mixin_shows_the_calls_on_an_admin_page():
    class MessageAdmin(ProvenanceMixin, admin.ModelAdmin):
        pass

    record = note(one_message)
    persist(record)
    page = MessageAdmin(Message, admin.AdminSite())
    request = RequestFactory().get("/")
    request.user = User(is_active=True, is_superuser=True)
    message = Message.objects.get()
    assert "made_by_calls" in page.get_readonly_fields(request, message)
    assert call_url(record.pk) in page.made_by_calls(message)
    assert "created by" in page.made_by_calls(message)
    assert page.made_by_calls(Message()) == "-"
    request.user, again = AnonymousUser(), Message.objects.get()
    page.get_readonly_fields(request, again)
    assert record.pk in page.made_by_calls(again)
    assert "href" not in page.made_by_calls(again), "they may not open it"


def test_a_page_asks_once_for_the_calls_of_its_object(django_assert_num_queries):
    """A form asks for each of its values several times."""
    record = note(one_message)
    persist(record)
    message = Message.objects.get()
    page = type("Page", (ProvenanceMixin, admin.ModelAdmin), {})(Message, admin.site)
    page.made_by_calls(message)
    with django_assert_num_queries(0):
        assert record.pk in page.made_by_calls(message)


@pytest.mark.postgres_only
def test_the_newest_calls_of_an_object_have_an_index():
    """Without it, PostgreSQL walks through the objects of all calls, from the newest on, for one with few."""
    entries = entries_for(Message.objects.create(role="a")).order_by("-pk")[:20]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        assert "persisted_object_newest" in entries.explain()
