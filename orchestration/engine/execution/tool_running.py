"""Running one tool: an author's function, which may raise anything, hang, or return what is not JSON."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections, transaction
from pydantic import BaseModel, ValidationError

from orchestration.components.tools import Tool
from orchestration.conf import engine_settings
from orchestration.content.uses import add_uses_of_result
from orchestration.engine.execution.validation import problems
from orchestration.engine.queue.database_thread import is_away
from orchestration.errors import ContentRefused, NotJson, StaleLease, ToolError
from orchestration.fault_injection import fault
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models.tool_runs import ToolRun, ToolRunStatus
from orchestration.receiver_guard import nothing_left_open
from orchestration.values.content_parts import in_words
from orchestration.values.sanitize import legible, to_json

logger = logging.getLogger(__name__)

LONGEST_ERROR = 2000
RunBlocking = Callable[[Callable[[], Any]], Awaitable[Any]]


class ToolEnded(Exception):
    """A tool raised what would have ended its thread, or its process."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result; `told` is for the model."""

    code: str
    told: str


async def run_tool(tool: Tool, run: ToolRun, keywords: dict[str, Any], run_blocking: RunBlocking) -> bool:
    """Run a tool and note in `run` what came of it; whether that is stored already, as it is of an atomic tool.

    Raises StaleLease, and what a database raises that went away.
    """
    seconds = tool.timeout or engine_settings().TOOL_TIMEOUT_SECONDS
    fault("in_tool")
    with isolated() as running:  # whatever an author's code raises is told to the model
        try:
            async with asyncio.timeout(seconds) as limit:
                if tool.is_async:
                    run.end(ToolRunStatus.DONE, result=stored_result(await tool.function(**keywords)))
                else:
                    ended = await run_blocking(lambda: _run(tool, run, keywords))
                    run.end(ToolRunStatus.DONE, result=ended)
        except TimeoutError:
            if not limit.expired():
                raise
            fail(run, Failure("tool_timeout", f"The tool did not end within {seconds:g} s."))
    if isinstance(running.error, StaleLease) or is_away(running.error):
        raise running.error  # the database is away: the next attempt of the call begins the tool again
    if running.error is not None:
        fail(run, _failure(tool, running.error))
    fault("after_tool")
    return tool.atomic and run.status == ToolRunStatus.DONE


def fail(run: ToolRun, failure: Failure) -> None:
    """Note that a run failed, and what the model is told."""
    logger.warning("tool failed call_id=%s tool=%s code=%s", run.call_id, run.tool, failure.code)
    run.end(ToolRunStatus.FAILED, error_code=failure.code, error=legible(failure.told, LONGEST_ERROR))


def _failure(tool: Tool, error: Exception) -> Failure:
    if isinstance(error, ToolError):
        return Failure(ToolError.code, str(error))
    if isinstance(error, NotJson):
        logger.error("tool without a result tool=%s error=%s", tool.name, describe(error))
        return Failure("tool_result", f"The tool's result cannot be given: {error}")
    logger.error("tool raised tool=%s error=%s", tool.name, describe(error))
    return Failure(ToolError.code, f"The tool failed ({type(error).__name__}).")


def stored_result(value: Any) -> Any:
    """What a tool returned as JSON that can be stored; NotJson for what has no such form, or is too long."""
    written = to_json(value.model_dump(mode="json") if isinstance(value, BaseModel) else value, "result")
    longest = engine_settings().MAX_TOOL_RESULT_BYTES
    try:
        size = len(in_words(ToolRun(status=ToolRunStatus.DONE, result=written).content()).encode())
    except ContentRefused as refused:  # a URL that no provider is to fetch
        raise NotJson(str(refused)) from refused
    if size > longest:
        raise NotJson(f"it has {size:,} bytes; the limit (MAX_TOOL_RESULT_BYTES) is {longest:,}.")
    return written


def wrong_arguments(error: ValidationError) -> Failure:
    """What is wrong, by place and rule."""
    return Failure("tool_arguments", f"The arguments are wrong: {problems(error)}.")


# --- plain functions --------------------------------------------------------------------------


def _run(tool: Tool, run: ToolRun, keywords: dict[str, Any]) -> Any:
    if not tool.atomic:
        return stored_result(_called(tool, keywords))
    with transaction.atomic():
        result = stored_result(_called(tool, keywords))
        fault("after_tool")
        done = ToolRun(pk=run.pk, attempts=run.attempts)
        done.end(ToolRunStatus.DONE, result=result)
        if not ToolRun.objects.finish(done):
            raise StaleLease(f"Call {run.call_id} has another worker.")
        add_uses_of_result(done)
    return result


def _called(tool: Tool, keywords: dict[str, Any]) -> Any:
    try:
        return tool.function(**keywords)
    except (SystemExit, GeneratorExit) as error:
        raise ToolEnded from error


async def in_callers_thread(function: Callable[[], Any]) -> Any:
    """Where the caller's own queries run: in its transaction, if it has one. Such tools run one after the other."""

    def guarded() -> Any:
        with nothing_left_open("a tool"):
            return function()

    return await sync_to_async(guarded, thread_sensitive=True)()


async def in_thread_of_its_own(function: Callable[[], Any]) -> Any:
    """In a thread with a connection of its own, so that it holds up neither the event loop nor the database's thread.

    One that hangs is left behind when its time is up: a thread cannot be stopped.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def work() -> None:
        try:
            with isolated() as running:
                result = function()
        finally:
            connections.close_all()
        with suppress(RuntimeError):  # the loop ended meanwhile
            loop.call_soon_threadsafe(_tell, ended, running.error, None if running.error else result)

    threading.Thread(target=copy_context().run, args=(work,), name="tool", daemon=True).start()
    return await ended


def _tell(ended: asyncio.Future[Any], error: Exception | None, result: Any) -> None:
    if ended.done():  # given up
        return
    if error is not None:
        ended.set_exception(error)
    else:
        ended.set_result(result)
