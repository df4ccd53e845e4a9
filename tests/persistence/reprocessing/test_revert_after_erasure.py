"""A revert after an erasure says what it can no longer do: on its page, over REST, and in a run over many."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from persistence.bulk.runs import freeze_rows, progress, start
from persistence.bulk.worker import work
from persistence.maintenance import retention
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.retention import ERASED, Kind
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.operations import REVERT
from persistence.reprocessing.reprocess import ReprocessOutcome, revert
from persistence.testing import persist
from tests.orchestration.admin.conftest import root  # noqa: F401 - a fixture
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.results import note
from tests.seedapp.models import Message, Simulation

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
GONE = "cannot be put back: what it was before was purged or erased."


def rename(handler: Any, response: Any) -> Message:
    """Changes a row that was there, and makes one."""
    Simulation.objects.update(sim_patient_full_name="After")
    return Message.objects.create(role="made", content="hers")


@pytest.fixture
def erased() -> ServiceCallRecord:
    """A call that changed a row and made one, and whose person is erased."""
    Simulation.objects.create(sim_patient_full_name="Before")
    ada = User.objects.create_user("ada@example.com")
    record = note(rename, requested_by=ada)
    persist(record)
    assert not erase_subject(ada, dry_run=False).held
    return record


def shown(client: Client, call: ServiceCallRecord, **query: str) -> str:
    response = client.get(reverse("admin:persistence_dry_run", args=(call.pk,)), {"how": "revert", **query})
    return " ".join(response.content.decode().split())


def test_the_page_refuses_it_and_forced_says_what_stays(root: Client, erased: ServiceCallRecord) -> None:  # noqa: F811
    page = shown(root, erased)
    assert "<strong>refused</strong>" in page
    assert GONE in page
    assert 'name="seal"' not in page
    page = shown(root, erased, force="on")
    assert "Forced: this contradicts what happened since." in page
    assert GONE in page
    seal = re.search(r'name="seal" value="([^"]+)"', page)
    assert seal is not None
    url = reverse("admin:persistence_dry_run", args=(erased.pk,))
    done = root.post(url, {"how": "revert", "force": "on", "seal": seal[1]}, follow=True)
    told = " ".join(done.content.decode().split())
    assert "Reverted: 1 deleted." in told
    assert GONE in told
    assert not Message.objects.exists()
    assert Simulation.objects.get().sim_patient_full_name == "After"


def test_it_is_a_conflict_over_rest(erased: ServiceCallRecord, caller: Callable[..., Any]) -> None:  # noqa: F811
    rights = ("preview_servicecallrecord", "revert_servicecallrecord", "view_servicecallrecord")
    operator = caller("op", permissions=rights)
    for query in ("", "?dry_run=false"):
        answer = operator.post(f"/service-calls/{erased.pk}/revert{query}")
        assert (answer.status_code, answer.json()["code"]) == (409, "revert_refused")
        assert answer.json()["message"].endswith(GONE)
    forced = operator.post(f"/service-calls/{erased.pk}/revert?dry_run=false&force=true").json()
    assert (forced["outcome"], forced["counts"]) == ("reverted", {"deleted": 1})
    (contradicted,) = forced["contradicted"]
    assert contradicted.endswith(GONE)
    assert Simulation.objects.get().sim_patient_full_name == "After"


@pytest.mark.parametrize(
    ("force", "sample", "state", "outcomes"),
    [
        (False, {"tried": 1, "refused": 1}, BulkState.FAILED, {"refused": 1}),
        (True, {"tried": 1, "refused": 0}, BulkState.DONE, {"reverted": 1}),
    ],
)
def test_a_run_forecasts_it_and_tells_it_of_each_call(
    erased: ServiceCallRecord, force: bool, sample: dict[str, int], state: BulkState, outcomes: dict[str, int]
) -> None:
    run: BulkRun = freeze_rows(REVERT.key, ServiceCallRecord.objects.all(), options={"force": force})
    forecast = run.forecast["sample"]
    assert {name: forecast[name] for name in sample} == sample
    ((why, count),) = forecast["reasons"]
    assert (why.endswith(GONE), count) == (True, 1)
    start(run)
    work(run.pk)
    done = progress(run)
    assert (done["state"], done["outcomes"]) == (state, outcomes)
    assert BulkItem.objects.get(run=run).error.endswith(GONE)


def test_a_row_that_the_erasure_emptied_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed only with force: what else changed since cannot be told."""
    kind = Kind(model=Message, empty={"content": ERASED, "meta": {}}, about=lambda subject: Q(role="made"))
    monkeypatch.setitem(retention.KINDS, "seeds", kind)
    ada = User.objects.create_user("ada@example.com")
    record = note(lambda handler, response: Message.objects.create(role="made", content="hers"), requested_by=ada)
    persist(record)
    assert erase_subject(ada, dry_run=False).rows["seeds"] == 1
    assert Message.objects.get().content == ERASED
    refused = revert(record.pk)
    assert refused.outcome is ReprocessOutcome.REFUSED
    assert "was changed since: its content was purged or erased." in refused.error
    assert revert(record.pk, force=True).outcome is ReprocessOutcome.REVERTED
    assert not Message.objects.exists()
