"""`manage.py drain_persistence`, and the old name of `manage.py reprocess`."""

import os
import signal
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from orchestration.models import ServiceCallRecord
from tests.persistence.results import lonely, note
from tests.seedapp.models import Message


def write(handler, response):
    return Message.objects.create(role="assistant")


def fail(handler, response):
    raise ValueError


@pytest.mark.django_db
@pytest.mark.parametrize("options", [[], ["--once"]])
def test_once_drains_until_nothing_is_due(capsys, settings, options):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_BATCH_SIZE": 2}
    for _ in range(5):
        note(write)
    lonely()
    call_command("drain_persistence", *options)
    assert capsys.readouterr().out == "claimed 6, processed 5, failed 0, skipped 1\n"
    assert Message.objects.count() == 5


@pytest.mark.django_db
def test_once_ends_with_status_1_when_something_failed(capsys):
    note(fail), note(write)
    with pytest.raises(CommandError, match="1 results could not be persisted") as error:
        call_command("drain_persistence", "--once")
    assert error.value.returncode == 1
    assert Message.objects.count() == 1
    assert "failed 1" in capsys.readouterr().out


@pytest.mark.django_db
def test_once_and_follow_exclude_each_other():
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("drain_persistence", "--once", "--follow")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_follow_drains_until_it_is_stopped(capsys, number):
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    note(write)

    def stop_when_drained():
        deadline = time.monotonic() + 20
        while ServiceCallRecord.objects.pending_persistence().exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=_with_own_connection, args=[stop_when_drained])
    stopper.start()
    try:
        call_command("drain_persistence", "--follow")
    finally:
        stopper.join()
        for each, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(each, handler)
    assert Message.objects.count() == 1
    assert "processed 1" in capsys.readouterr().out


def _with_own_connection(function):
    try:
        function()
    finally:
        connections.close_all()


@pytest.mark.django_db
def test_the_old_command_reprocesses_and_warns_on_stderr(capsys):
    note(write)
    call_command("reprocess", "--filter", "state=pending")
    new = capsys.readouterr()
    call_command("replay_persistence", "--filter", "state=pending")
    old = capsys.readouterr()
    assert old.out == new.out
    assert "dry run, nothing changed: 1 persisted" in old.out
    assert new.err == ""
    assert old.err == "replay_persistence is deprecated; the next release removes it. Use `manage.py reprocess`.\n"
