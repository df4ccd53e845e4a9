"""The log lines of persistence: ids, identities and codes, and of an exception only its type and place."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

from django.db import models
from pydantic import ValidationError

from orchestration.errors import WrittenByNewerVersion
from orchestration.log import describe
from orchestration.values.described import names_of, path_of
from persistence.errors import PersistenceError

logger = logging.getLogger("persistence")

MAX_ERROR = 1000
"""Characters of an error that are stored with the call."""


def explain(error: BaseException, source: str = "") -> str:
    """What went wrong, without the values that made it go wrong: they may be personal data.

    Our own errors and the paths of a validation error are shown in full, others by type, place, and, when that is in a
    library, the line of `source` (the file of the handler's module) that led there.
    """
    if isinstance(error, PersistenceError | WrittenByNewerVersion):
        message = f"{type(error).__name__}: {error}"
    elif isinstance(error, ValidationError):
        names = names_of(error)
        faults = "; ".join(
            f"{path_of(e['loc'], names)}: {e['type']}"
            for e in error.errors(include_url=False, include_context=False, include_input=False)
        )
        message = f"{type(error).__name__} of {error.title}: {faults}"
    else:
        message = describe(error)
    line = _last_line_in(source, error.__traceback__)
    if line and f":{line}" not in message:
        message = f"{message} from {source.rsplit('/', 1)[-1]}:{line}"
    return message[:MAX_ERROR]


def _last_line_in(source: str, trace: TracebackType | None) -> int | None:
    if not source:
        return None
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == source]
    return lines[-1] if lines else None


def persisted(call_id: str, component: object, primary: models.Model | None, objects: int) -> None:
    shown = f"{primary._meta.label}:{primary.pk}" if primary is not None else None
    logger.debug("result persisted call_id=%s by=%s primary=%s objects=%s", call_id, component, shown, objects)


def held(call_id: str, hold_id: int, trigger: str) -> None:
    logger.info("result waits for approval call_id=%s hold=%s trigger=%s", call_id, hold_id, trigger)


def decided(hold_id: int, call_id: str, kind: str, state: str) -> None:
    logger.info("decided hold=%s call_id=%s kind=%s state=%s", hold_id, call_id, kind, state)


def not_mailed(error: Exception) -> None:
    """By its type alone: what mail servers say names people."""
    logger.error("mails of what waits were not sent error=%s", type(error).__name__)


def persisted_before(call_id: str, schema: str) -> None:
    logger.info("result was persisted before call_id=%s schema=%s", call_id, schema)


def left_to_newer(error: Exception) -> None:
    logger.warning("left to a newer version error=%s", error)


def skipped(call_id: str, namespace: str, schema: str) -> None:
    logger.debug(
        "result skipped, no handler and no codec call_id=%s namespace=%s schema=%s", call_id, namespace, schema
    )


def failed(call_id: str, component: object, attempt: int, error: str, retry_in: float) -> None:
    logger.warning(
        "persisting failed call_id=%s by=%s attempt=%s retry_in=%s error=%s",
        call_id,
        component,
        attempt,
        retry_in,
        error,
    )


def run_refused(run_id: int, objection: str) -> None:
    logger.warning("bulk run refused run=%s reason=%s", run_id, objection)


def dead(call_id: str, component: object, attempt: int, error: str) -> None:
    logger.error("result dead call_id=%s by=%s attempts=%s error=%s", call_id, component, attempt, error)


def hook_failed(call_id: str, component: object, error: str) -> None:
    logger.error("on_commit hook failed after persisting call_id=%s by=%s error=%s", call_id, component, error)


def group_undone(results: int, error: BaseException) -> None:
    logger.info("group undone, its results are persisted one by one results=%s error=%s", results, describe(error))


def overtaken(call_id: str, error: BaseException) -> None:
    logger.info("failure not recorded, the result moved on call_id=%s error=%s", call_id, describe(error))


def database_away(call_id: str, error: BaseException) -> None:
    logger.warning("database away, result stays pending call_id=%s error=%s", call_id, describe(error))


def cannot_mark(error: BaseException) -> None:
    logger.warning("handlers that kill their process cannot be detected: no file in RUN_DIR error=%s", error)


def file_stayed(storage: str, error: str) -> None:
    logger.warning("a file of a rolled back transaction could not be deleted storage=%s error=%s", storage, error)


def not_rehearsed(call_id: str, error: BaseException) -> None:
    logger.info("call could not be tried out call_id=%s error=%s", call_id, describe(error))


def died(call_id: str, message: str) -> None:
    logger.error("process died while persisting call_id=%s error=%s", call_id, message)
