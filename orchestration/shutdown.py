"""Stopping a process: the serving one notices early that it is asked to, and one that has stopped ends in time.

On SIGTERM the web server waits for open connections, and tells the application only when there are none: streams would
run until its timeout kills the process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import threading
from collections.abc import Callable
from types import FrameType

STDERR = 2
_asked = False


def stop_asked() -> bool:
    """Whether this process was asked to stop since `call_at_stop`."""
    return _asked


def call_at_stop(callback: Callable[[], object]) -> None:
    """Have `callback` called in this event loop on SIGTERM and SIGINT, in addition to what the server does.

    Only in the main thread, where signals are handled; elsewhere it does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            _chain(number, callback, asyncio.get_running_loop())


def _chain(number: signal.Signals, callback: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
    before = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        global _asked
        _asked = True
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback)
        if callable(before):
            before(received, frame)

    signal.signal(number, handle)


def end_within(seconds: float) -> None:
    """End this process so many seconds from now, with status 1 and each thread's place on stderr, unless it has ended
    by itself.

    For one whose work is done: the interpreter's own end waits, without a limit, for threads of executors, for locks
    that threads hold which are gone, and for whatever was registered for the exit; a database that does not answer
    holds up all of these. The watch needs no interpreter.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)
