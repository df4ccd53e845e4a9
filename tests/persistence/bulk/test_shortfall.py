"""A run is simply done only when everything was written that was to be."""

from __future__ import annotations

from collections import Counter

import pytest
from django.test import Client

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.admin.bulk_actions import run_url
from persistence.approval.decisions import DecisionOutcome
from persistence.bulk.runs import freeze, freeze_rows, start
from persistence.bulk.shortfall import AS_BEFORE, NOT_WRITTEN, WRITTEN, shortfall
from persistence.bulk.worker import work
from persistence.models import BulkItem, BulkRun, BulkState
from persistence.models.bulk import TROUBLES
from persistence.operations import REPROCESS, REVERT
from persistence.reprocessing.reports import ReprocessOutcome
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo
from tests.persistence.results import lonely
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
NOTHING_DECIDED = {DecisionOutcome.MOVED, DecisionOutcome.SUPERSEDED}
"""The item is refused."""


def ended_with(*outcomes: str) -> tuple[BulkState, str]:
    run = BulkRun.objects.create(kind=REPROCESS.key, total=len(outcomes))
    for number, outcome in enumerate(outcomes):
        BulkItem.objects.create(run=run, call_id=str(number), outcome=outcome)
    return shortfall(run)


def test_every_outcome_is_one_of_a_kind() -> None:
    """A new one must say whether something was written."""
    known = Counter([*TROUBLES, *NOT_WRITTEN, *AS_BEFORE, *WRITTEN])
    assert set(known.values()) == {1}
    assert {*ReprocessOutcome, *DecisionOutcome} - NOTHING_DECIDED <= set(known)


@pytest.mark.parametrize("outcome", NOT_WRITTEN)
def test_a_run_of_which_nothing_was_written_says_so(outcome: str) -> None:
    told = NOT_WRITTEN[outcome]
    assert ended_with(outcome, outcome) == (BulkState.DONE, f"Nothing was changed. 2 of 2 calls {told}.")
    assert ended_with("persisted", outcome) == (BulkState.DONE, f"1 of 2 calls {told}.")
    assert ended_with("unchanged", outcome) == (BulkState.DONE, f"Nothing was changed. 1 of 2 calls {told}.")


def test_what_was_done_or_failed_is_told_as_before() -> None:
    assert ended_with("persisted", "updated", "unchanged") == (BulkState.DONE, "")
    assert ended_with("retried", "would skip") == (BulkState.DONE, "")
    assert ended_with() == (BulkState.DONE, "")
    assert ended_with("refused", "failed")[0] == BulkState.FAILED
    assert ended_with("refused", "held")[1].startswith("Nothing was changed. 1 of 2 calls were left alone, or failed.")


def test_a_run_whose_results_nobody_takes_is_not_green(admin_client: Client) -> None:
    lonely(domain_persist_state=PersistState.SKIPPED, next_persist_at=None)
    run = freeze(REPROCESS, {})
    assert run.forecast["will"] == 1
    start(run)
    work(run.pk)
    run.refresh_from_db()
    assert run.error == "Nothing was changed. 1 of 1 calls were skipped: no handler takes their results."
    page = admin_client.get(run_url(run.pk)).content.decode()
    assert "done, see below" in page
    assert run.error in page


def test_what_a_forced_run_left_is_on_its_page(admin_client: Client) -> None:
    """With why: what was forced is as much to be looked at as what was left alone."""
    first, second = memo("a"), memo("b")
    persist(first), persist(second)
    Message.objects.filter(content="a").update(content="by hand")
    run = freeze_rows(REVERT.key, ServiceCallRecord.objects.all(), options={"force": True})
    start(run)
    work(run.pk)
    run.refresh_from_db()
    assert run.error == "1 of 2 calls were forced; what speaks against that is listed."
    page = admin_client.get(run_url(run.pk)).content.decode()
    assert "done, see below" in page
    assert "Forced, and what speaks against it" in page
    told = page.partition("Forced, and what speaks against it")[2]
    assert "was changed since" in told
    assert first.pk in told
    assert second.pk not in told
