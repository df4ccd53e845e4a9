"""Operations with and without an event loop. Over WSGI: config/test_wsgi."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from orchestration.api.event_loops import in_thread, pause, synchronous


async def who_works(seconds: float) -> int:
    await pause(seconds)
    return await in_thread(threading.get_ident)


async def fails() -> None:
    await in_thread(int, "x")


async def yields_to_a_loop() -> None:
    await asyncio.sleep(0)


def test_without_a_loop_all_of_it_runs_in_the_callers_thread() -> None:
    begun = time.monotonic()
    assert synchronous(who_works)(0.05) == threading.get_ident()
    assert time.monotonic() - begun >= 0.05


def test_in_a_loop_what_blocks_has_a_thread_and_a_pause_has_none() -> None:
    async def both() -> tuple[int, list[str]]:
        seen: list[str] = []

        async def other() -> None:
            seen.append("beside")

        beside = asyncio.create_task(other())
        worked = await who_works(0.05)
        await beside
        return worked, seen

    worked, seen = asyncio.run(both())
    assert worked != threading.get_ident()
    assert seen == ["beside"]


def test_an_error_is_the_operations_own() -> None:
    with pytest.raises(ValueError, match="'x'"):
        synchronous(fails)()


def test_what_needs_a_loop_is_named() -> None:
    with pytest.raises(RuntimeError, match="yields_to_a_loop awaits an event loop; use in_thread and pause only"):
        synchronous(yields_to_a_loop)()
