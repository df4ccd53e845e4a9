"""Rows with composite keys on the pages and in the answers that show what calls made."""

import re

import pytest
from django.urls import reverse

from persistence.models import PersistedChunk, PersistedObject
from persistence.provenance import provenance_sections
from persistence.reprocessing.reprocess import revert
from persistence.testing import persist
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.results import note
from tests.seedapp.models import Line, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def record():
    def lines(handler, response):
        simulation = Simulation.objects.create(sim_patient_full_name="Ada")
        return [Line.objects.create(simulation=simulation, position=n, text=f"text {n}") for n in (1, 2)]

    return note(lines)


def shown(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def pages(record):
    chunk = PersistedChunk.objects.get(call_id=record.pk)
    yield reverse("admin:persistence_persistedchunk_change", args=(chunk.pk,))
    for row in chunk.objects_touched.filter(content_type__model="line"):
        yield reverse("admin:persistence_persistedobject_change", args=(row.pk,))
    yield reverse("admin:persistence_persistedchunk_changelist")
    yield reverse("admin:persistence_persistedobject_changelist")
    yield reverse("admin:orchestration_servicecallrecord_change", args=(record.pk,))


def test_every_page_about_a_row_with_a_composite_key_answers(root, record):
    persist(record)
    for url in pages(record):
        assert f"line [&quot;{Simulation.objects.get().pk}&quot;, " in shown(root.get(url)), url
    assert "text 1" in shown(root.get(next(pages(record))))
    assert next(provenance_sections(Line.objects.get(position=1))).context["entries"]


def test_a_deleted_row_with_a_composite_key_is_shown_as_deleted(root, record):
    persist(record)
    Line.objects.all().delete()
    chunk_page, *_ = pages(record)
    assert "(deleted)" in shown(root.get(chunk_page))
    assert "orca-gone" in shown(root.get(reverse("admin:persistence_persistedobject_changelist")))


def test_a_dry_run_of_composite_keys_is_shown_and_applied(root, record):
    url = reverse("admin:persistence_dry_run", args=(record.pk,))
    page = shown(root.get(url))
    assert "&quot;, &quot;1&quot;]" in page
    assert not Line.objects.exists()
    seal = re.search(r'name="seal" value="([^"]+)"', page)[1]
    how = re.search(r'type="hidden" name="how" value="([^"]+)"', page)[1]
    assert "Persisted: 3 created." in shown(root.post(url, {"how": how, "seal": seal}, follow=True))
    assert Line.objects.count() == 2
    assert revert(record.pk).counts == {"deleted": 3}


def test_composite_keys_go_out_over_rest_as_text(caller, record):  # noqa: F811
    persist(record)
    client = caller("op", permissions=("view_servicecallrecord",))
    found = client.get(f"/service-calls/{record.pk}/objects").json()
    ids = {one["id"] for chunk in found for one in chunk["objects"] if one["model"] == "seedapp.line"}
    assert ids == set(PersistedObject.objects.filter(content_type__model="line").values_list("object_id", flat=True))
