"""Applying what was shown: what is different every time does not count, and everything else does."""

from functools import partial

import pytest
from django.utils import timezone

from orchestration.clock import earlier_than_new_times
from persistence.reprocessing.dry_run_check import apply_if_as_shown, essence
from persistence.reprocessing.reprocess import ReprocessOutcome, dry_run, reprocess
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def agreed(record, meanwhile):
    """Apply what a dry run shows, after something else happened: what came of it, and what was different."""
    started = earlier_than_new_times()
    shown = essence(dry_run(record.pk), started)
    meanwhile()
    return apply_if_as_shown(partial(reprocess, record.pk), shown)


def test_new_keys_and_the_clock_are_no_difference_anywhere():
    def tells_of_itself(handler, response):
        first = Message.objects.create(role="first")
        told = {"id": first.pk, "since": timezone.now().isoformat(), "all": [{"message_id": first.pk}]}
        return Message.objects.create(role="second", meta=told)

    report, told = agreed(note(tells_of_itself), lambda: Message.objects.create(role="takes the next key"))
    assert (report.outcome, told) == (ReprocessOutcome.PERSISTED, [])
    assert Message.objects.count() == 3


def test_another_value_is_told_without_it_and_nothing_stays():
    text = ["a secret"]

    def changing(handler, response):
        return Message.objects.create(role="one", content=text[0], meta={"id": 5, "since": "2020-01-01T00:00:00Z"})

    _, told = agreed(note(changing), lambda: text.append(text.pop() + " more"))
    assert told == ["message, new number 1: content"]
    assert not Message.objects.exists()


def test_another_number_of_rows_is_reported():
    roles = ["one"]

    def growing(handler, response):
        return [Message.objects.create(role=role) for role in roles]

    _, told = agreed(note(growing), lambda: roles.append("two"))
    assert told == ["message, new number 2: was not part of it"]
