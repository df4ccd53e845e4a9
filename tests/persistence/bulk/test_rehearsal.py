"""A run is tried out on a sample before it starts: what the forecast says is what the run does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import F
from django.test import Client

from persistence.admin.bulk_actions import run_url
from persistence.bulk import rehearsal
from persistence.bulk.runs import freeze, progress, start
from persistence.bulk.worker import work
from persistence.models import BulkRun
from persistence.operations import REPROCESS, REVERT
from persistence.reprocessing.reprocess import Policy, reprocess
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo, one_message
from tests.persistence.results import note
from tests.seedapp.models import Message, Register

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def named(handler: Any, response: Any) -> Message:
    """Leaves its mark on a row that all share, and its own row."""
    Register.objects.update(name=response.call_id[-8:], next_page=F("next_page") + 1)
    return Message.objects.create(role=response.call_id[-8:])


def chained(count: int) -> None:
    Register.objects.create(name="nobody")
    for _ in range(count):
        persist(note(named))


def done(run: BulkRun) -> dict[str, Any]:
    start(run)
    work(run.pk)
    return dict(progress(run))


def test_what_builds_on_each_other_is_reverted_newest_first() -> None:
    chained(7)
    run = freeze(REVERT, {})
    assert run.forecast["will"] == 7
    assert run.forecast["sample"] == {
        "tried": 7,
        "refused": 0,
        "untried": 0,
        "outcomes": [["reverted", 7]],
        "reasons": [],
    }
    assert Message.objects.count() == 7
    assert done(run) == {"state": "done", "total": 7, "done": 7, "outcomes": {"reverted": 7}}
    assert not Message.objects.exists()
    assert Register.objects.values_list("name", "next_page").get() == ("nobody", 1)


def test_what_the_run_would_refuse_is_in_the_forecast(admin_client: Client) -> None:
    chained(4)
    Register.objects.update(name="by hand")
    run = freeze(REVERT, {})
    sample = run.forecast["sample"]
    assert (sample["tried"], sample["refused"], sample["outcomes"]) == (4, 4, [["refused", 4]])
    page = admin_client.get(run_url(run.pk)).content.decode()
    assert "At most 4 calls" in page
    assert "Tried out on a sample of <strong>4</strong>, and rolled back: 4 refused." in page
    assert "was changed since by something else" in page
    assert done(run)["outcomes"] == {"refused": 4}
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "Nothing was done: every call was left alone, or failed.")
    assert run.error in admin_client.get(run_url(run.pk)).content.decode()


def test_a_run_that_left_some_alone_is_not_simply_done(admin_client: Client) -> None:
    first, second = memo("a"), memo("b")
    persist(first), persist(second)
    Message.objects.filter(content="a").update(content="by hand")
    run = freeze(REVERT, {})
    assert done(run)["outcomes"] == {"refused": 1, "reverted": 1}
    page = admin_client.get(run_url(run.pk)).content.decode()
    assert "done, see below" in page
    assert "1 of 2 calls were left alone, or failed." in page


def test_a_run_that_changed_nothing_says_so() -> None:
    persist(memo("a"))
    run = freeze(REPROCESS, {}, policy=Policy.UPDATE)
    assert done(run)["outcomes"] == {"unchanged": 1}
    run.refresh_from_db()
    assert (run.state, run.error) == ("done", "Nothing was changed: everything was as it would become.")


def test_a_sample_is_spread_and_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "SAMPLE", 3)
    records = [memo(str(number)) for number in range(9)]
    for record in records:
        persist(record)
    Message.objects.filter(content__in=["0", "1"]).update(role="by hand")
    run = freeze(REVERT, {})
    assert run.forecast["sample"]["outcomes"] == [["reverted", 2], ["refused", 1]]
    assert Message.objects.count() == 9
    assert "sample" not in freeze(REPROCESS, {}, policy=Policy.UPDATE).forecast, "its handlers run in no request"
    assert freeze(REPROCESS, {}, policy=Policy.RECREATE).forecast["sample"]["tried"] == 3


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_not_waited_for() -> None:
    records = [note(one_message) for _ in range(2)]
    for record in records:
        assert reprocess(record.pk).outcome == "persisted"
    held = Message.objects.order_by("pk").first()
    other = connections.create_connection("default")
    try:
        with transaction.atomic():
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT 1 FROM seedapp_message WHERE id = %s FOR UPDATE", [held.pk])
        run = freeze(REVERT, {})
        assert run.forecast["sample"]["outcomes"] == [["reverted", 1]]
        assert run.forecast["sample"]["untried"] == 1
    finally:
        other.rollback()
        other.close()
