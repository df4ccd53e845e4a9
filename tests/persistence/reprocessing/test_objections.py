"""What apps object to is refused everywhere, with `force` too, and shown before."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from persistence.bulk.runs import forecast, freeze_rows, progress, start
from persistence.bulk.worker import work
from persistence.models import BulkItem, BulkRun
from persistence.operations import DRY_RUN, REPROCESS, REVERT
from persistence.reprocessing import objections
from persistence.reprocessing.objections import Act, objects_to
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.reprocessing.test_reprocess import one_message
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
WHY = "It is needed: ask its author."


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> ServiceCallRecord:
    """A call that an app objects to."""
    monkeypatch.setattr(objections, "_objections", {act: [] for act in Act})
    record = note(one_message, context={"kept": True})
    persist(record)

    @objects_to(Act.REVERT, Act.RECREATE)
    def object_to_it(call_ids):
        found = ServiceCallRecord.objects.filter(pk__in=call_ids, context__kept=True)
        return dict.fromkeys(found.values_list("pk", flat=True), WHY)

    return record


def other() -> ServiceCallRecord:
    record = note(one_message)
    persist(record)
    return record


@pytest.mark.parametrize("force", [False, True])
def test_nothing_overrides_an_objection(kept: ServiceCallRecord, force: bool) -> None:
    for report in (
        revert(kept.pk, force=force, dry=True),
        revert(kept.pk, force=force),
        dry_run(kept.pk, Policy.RECREATE, force=force),
        reprocess(kept.pk, Policy.RECREATE, force=force),
    ):
        assert (report.outcome, report.error, report.changes) == (ReprocessOutcome.REFUSED, WHY, [])
    assert Message.objects.exists()
    assert reprocess(kept.pk, Policy.KEEP).outcome is ReprocessOutcome.KEPT
    assert revert(other().pk).outcome is ReprocessOutcome.REVERTED


@pytest.mark.parametrize(
    ("operation", "options", "told"),
    [
        (REVERT, {"force": True}, {"refused": 1, "reverted": 1}),
        (REPROCESS, {"policy": "recreate"}, {"refused": 1, "unchanged": 1}),
        (DRY_RUN, {"policy": "recreate"}, {"refused": 1, "unchanged": 1}),
    ],
)
def test_bulk_runs_forecast_and_tell_it(kept: ServiceCallRecord, operation, options, told) -> None:
    other(), note(one_message, domain_persist_state="skipped")
    run: BulkRun = freeze_rows(operation.key, ServiceCallRecord.objects.order_by("pk")[:2], options=options)
    assert (run.forecast["will"], run.forecast["reasons"]) == (1, [[WHY, 1]])
    start(run)
    work(run.pk)
    assert progress(run)["outcomes"] == told
    assert BulkItem.objects.get(run=run, outcome="refused").error == WHY


def test_a_call_that_is_left_alone_anyway_is_counted_once(kept: ServiceCallRecord) -> None:
    ServiceCallRecord.objects.update(domain_persist_state="skipped")
    run = freeze_rows(REVERT.key, ServiceCallRecord.objects.all())
    assert forecast(run).reasons == {"nothing of it is persisted": 1}
    assert forecast(run).will == 0


def test_it_is_a_conflict_over_rest(kept: ServiceCallRecord, caller) -> None:  # noqa: F811
    rights = ("preview_servicecallrecord", "persist_servicecallrecord", "revert_servicecallrecord")
    operator = caller("op", permissions=(*rights, "view_servicecallrecord"))
    refused = {
        "reprocess?policy=recreate": "reprocess_refused",
        "revert": "revert_refused",
        "revert?dry_run=false&force=true": "revert_refused",
    }
    for path, code in refused.items():
        answer = operator.post(f"/service-calls/{kept.pk}/{path}")
        assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (409, code, WHY)
    free = other()
    assert operator.post(f"/service-calls/{free.pk}/revert").json()["counts"] == {"deleted": 1}
    assert Message.objects.count() == 2
    done = operator.post(f"/service-calls/{free.pk}/revert?dry_run=false").json()
    assert (done["outcome"], done["unseen"], done["left_files"]) == ("reverted", [], [])
    assert Message.objects.count() == 1


def test_a_revert_over_rest_needs_its_own_permission(caller) -> None:  # noqa: F811
    rights = ("preview_servicecallrecord", "persist_servicecallrecord", "view_servicecallrecord")
    record, who = other(), caller("op", permissions=rights)
    assert who.post(f"/service-calls/{record.pk}/revert").status_code == 200
    assert who.post(f"/service-calls/{record.pk}/revert?dry_run=false").status_code == 403
    assert Message.objects.exists()


def test_the_page_and_the_command_tell_it(kept: ServiceCallRecord) -> None:
    User.objects.create_superuser("root@example.com", "pw")
    client = Client()
    client.force_login(User.objects.get())
    page = client.get(reverse("admin:persistence_dry_run", args=(kept.pk,)), {"how": "revert", "force": "on"})
    assert WHY in page.content.decode()
    assert 'name="seal"' not in page.content.decode()
    out = StringIO()
    call_command("reprocess", "--revert", "--apply", "--force", stdout=out)
    assert WHY in out.getvalue()
    assert Message.objects.exists()
