"""Operations that wait without a thread under ASGI, and run without an event loop under WSGI.

Where a server has no event loop, Django makes one for each asynchronous view, in a thread beside the server's. That
costs more than all the rest of a submit. So `for_either_server` makes a synchronous operation of an asynchronous one
there: a coroutine that awaits only `in_thread` and `pause` ends at its first step.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

Given = ParamSpec("Given")
Result = TypeVar("Result")
_server = {"has_loop": True}


def serve_without_event_loop() -> None:
    """For WSGI entries, before URLs are loaded. Without it the operations work, too, and cost twice as much."""
    _server["has_loop"] = False


def for_either_server(
    operation: Callable[Given, Coroutine[Any, Any, Result]],
) -> Callable[Given, Coroutine[Any, Any, Result]] | Callable[Given, Result]:
    """The operation as it is, or as a synchronous one after `serve_without_event_loop`."""
    return operation if _server["has_loop"] else synchronous(operation)


def synchronous(operation: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Result]:
    """An operation that needs no event loop; RuntimeError when it awaits anything but what is in this module."""

    @wraps(operation)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        coroutine = operation(*args, **kwargs)
        try:
            coroutine.send(None)
        except StopIteration as end:
            result: Result = end.value
            return result
        coroutine.close()
        raise RuntimeError(f"{operation.__qualname__} awaits an event loop; use in_thread and pause only.")

    # Ninja reads the types of parameters, and would look for their names in this module.
    run.__signature__ = inspect.signature(operation, eval_str=True)  # type: ignore[attr-defined]
    return run


async def in_thread(function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """What blocks: in a thread where an event loop runs, and here where none does."""
    if _a_loop_runs():
        return await sync_to_async(function)(*args, **kwargs)
    return function(*args, **kwargs)


async def pause(seconds: float) -> None:
    """`asyncio.sleep`, with or without an event loop."""
    if _a_loop_runs():
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
