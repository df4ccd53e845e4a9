"""Hearing that the serving process is asked to stop before the web server says so.

On SIGTERM the server waits for open connections, and tells the application only when there are none: streams would go
on until it loses patience and kills the process.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

_asked = False


def stop_asked() -> bool:
    """Whether this process was asked to stop since `call_at_stop`."""
    return _asked


def call_at_stop(told: Callable[[], object]) -> None:
    """Have `told` called in this event loop at SIGTERM and SIGINT; what the server does at them it still does.

    Only in the main thread, where signals are handled; elsewhere it does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            _chain(number, told, asyncio.get_running_loop())


def _chain(number: signal.Signals, told: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
    before = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        global _asked
        _asked = True
        if not loop.is_closed():
            loop.call_soon_threadsafe(told)
        if callable(before):
            before(received, frame)

    signal.signal(number, handle)
