"""Receivers of public signals as they should not be; a test asks for one by ORCA_TEST_RECEIVER."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from django.db import transaction

from orchestration import signals
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord

SLEEP_SECONDS = 0.3
HOLD_SECONDS = 15.0
_blocked_once = threading.Event()


def sleeps(**_: Any) -> None:
    time.sleep(SLEEP_SECONDS)


def blocks(**_: Any) -> None:
    """For ever, the first time."""
    if not _blocked_once.is_set():
        _blocked_once.set()
        threading.Event().wait()


def raises(**_: Any) -> None:
    raise SystemExit("a receiver that wants to end the process")


def opens_a_transaction(**_: Any) -> None:
    """And leaves it open."""
    transaction.set_autocommit(False)


def leaves_a_block(**_: Any) -> None:
    transaction.atomic().__enter__()


def holds_its_call(call_id: str, **_: Any) -> None:
    """In a transaction that takes longer than a lease, the first time."""
    if not _blocked_once.is_set():
        _blocked_once.set()
        with transaction.atomic():
            ServiceCallRecord.objects.filter(pk=call_id).update(updated_at=database_now())
            time.sleep(HOLD_SECONDS)


RECEIVERS = {
    "sleeps": sleeps,
    "blocks": blocks,
    "raises": raises,
    "opens a transaction": opens_a_transaction,
    "leaves a block": leaves_a_block,
    "holds its call": holds_its_call,
}


def connect_what_is_asked_for() -> None:
    receiver = RECEIVERS.get(os.environ.get("ORCA_TEST_RECEIVER", ""))
    if receiver is not None:
        for signal in (signals.ai_request_sent, signals.ai_response_received, signals.ai_response_ready):
            signal.connect(receiver, dispatch_uid=f"engineapp.{receiver.__name__}")
