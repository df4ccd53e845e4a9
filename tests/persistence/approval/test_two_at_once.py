"""Two people who decide on the same result at the same moment: one decision counts, the other one is told why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import ServiceCallRecord
from persistence.approval.decisions import (
    Decided,
    DecisionOutcome,
    approve,
    edit_and_approve,
    preview_edit,
    reject,
)
from persistence.errors import DecisionRefused, HoldClosed, ShownOutdated
from persistence.models import PersistedObject
from persistence.models.approval import Decision, Hold, HoldState
from tests.persistence.outbox.test_outbox_row import together
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
ROUNDS = 5
"""Who is first is chance."""
EDITED = {"text": "edited"}
LEFT = {HoldState.APPROVED: ["hello"], HoldState.EDITED: ["edited"], HoldState.REJECTED: []}
"""The rows that are there afterwards."""


def attempt(act: Callable[..., Decided], hold: Hold, by: Any, **options: Any) -> Callable[[], object]:
    """Its outcome, or the refusal."""

    def run() -> object:
        try:
            return act(hold.pk, by=by, **options).outcome
        except DecisionRefused as refused:
            return refused

    return run


def approval(hold: Hold, by: Any) -> Callable[[], object]:
    return attempt(approve, hold, by, shown=hold.digest)


def edit(hold: Hold, by: Any) -> Callable[[], object]:
    return attempt(edit_and_approve, hold, by, answer=EDITED, shown=preview_edit(hold.pk, EDITED).digest)


def rejection(hold: Hold, by: Any) -> Callable[[], object]:
    return attempt(reject, hold, by, note="no", shown=hold.digest)


@pytest.mark.parametrize("other", [approval, edit, rejection])
def test_one_wins_and_the_other_is_told_who(held, anna, berta, other):
    for _ in range(ROUNDS):
        hold = held()
        found = together(approval(hold, anna), other(hold, berta))
        (won,) = [each for each in found if isinstance(each, DecisionOutcome)]
        (refused,) = [each for each in found if not isinstance(each, DecisionOutcome)]
        hold.refresh_from_db()
        winner = (anna, berta)[found.index(won)]
        assert isinstance(refused, HoldClosed | ShownOutdated)
        assert str(winner) in str(refused) or isinstance(refused, ShownOutdated)
        assert hold.decisions.get().user == winner
        assert list(Message.objects.values_list("content", flat=True)) == LEFT[HoldState(hold.state)]
        assert PersistedObject.objects.count() == Message.objects.count()
        is_rejected = hold.state == HoldState.REJECTED
        call = ServiceCallRecord.objects.get(pk=hold.call_id)
        assert call.domain_persist_state == ("skipped" if is_rejected else "persisted")
        Message.objects.all().delete()
        PersistedObject.objects.all().delete()


def test_two_who_approve_at_once_above_a_size_count_once_each(held, anna, berta):
    for number in range(1, ROUNDS + 1):
        hold = held(says={"two_persons_above": 0})
        found = together(approval(hold, anna), approval(hold, berta))
        assert set(found) == {DecisionOutcome.WAITING, DecisionOutcome.PERSISTED}
        assert set(hold.decisions.values_list("user", flat=True)) == {anna.pk, berta.pk}
        assert (Decision.objects.count(), Message.objects.count()) == (2 * number, number)


def test_one_person_twice_at_once_is_one_person(held, anna):
    for _ in range(ROUNDS):
        hold = held(says={"persons": 2})
        found = together(approval(hold, anna), approval(hold, anna))
        assert found == [DecisionOutcome.WAITING] * 2
        assert hold.decisions.count() == 1
        assert Hold.objects.get(pk=hold.pk).is_open
    assert not Message.objects.exists()


def test_a_request_that_is_sent_twice_at_once_writes_once(held, anna):
    for number in range(1, ROUNDS + 1):
        hold = held()
        assert together(approval(hold, anna), approval(hold, anna)) == [DecisionOutcome.PERSISTED] * 2
        assert (Decision.objects.count(), Message.objects.count()) == (number, number)
