"""Which functions workers may run, and which messages they take.

Schedules and messages are data: whoever can write a row, or holds the key that signs messages, would otherwise choose
what the workers import and call.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.signing import BadSignature
from django.db import DatabaseError, transaction
from django.db.models.signals import post_save
from django_q import core_signing
from django_q.conf import Conf
from django_q.models import Task
from django_q.signals import call_hook, pre_enqueue
from django_q.signing import SignedPackage

from orchestration.django_q import plain_pickle
from orchestration.django_q.registration import TASKS
from orchestration.log import describe
from orchestration.models import EngineCounter
from orchestration.typed_settings import optional_setting

logger = logging.getLogger(__name__)

REFUSED = "tasks_refused"
"""The counter of messages, hooks and schedules that were not allowed."""
FIELDS: dict[str, tuple[type | tuple[type, ...], bool]] = {
    "id": (str, True),
    "name": (str, True),
    "func": (str, True),
    "args": ((tuple, list), True),
    "kwargs": (dict, True),
    "started": (datetime, True),
    "hook": ((str, type(None)), False),
    "group": ((str, int, type(None)), False),
    "cluster": ((str, type(None)), False),
    "timeout": ((int, type(None)), False),
    "save": (bool, False),
    "ack_failure": (bool, False),
}
"""The fields of a message, their types, and which are required. Not `sync` and `chain`: they bypass the broker."""
LONGEST_TEXT = 256
NOT_A_MESSAGE = (zlib.error, ValueError, TypeError, AttributeError, LookupError, MemoryError)
"""What the signature, base64 and zlib raise for something else than a message."""


class TaskRefused(ValueError):
    """This task may not be run; the message says why, and quotes no arguments."""


def refusal(path: object) -> str:
    """Why workers may not run the function with this dotted path; empty when they may.

    Allowed are the entries of ORCA_TASKS and what apps allow (`registration.allow_tasks`): a function, or a module,
    which allows the public functions that are defined in it. Nothing is imported before it is known to be allowed.
    """
    if not isinstance(path, str) or not path.rpartition(".")[0]:
        return f"{_shown(path)} is not a dotted path, such as orchestration.tasks.sweep."
    module_name, _, name = path.rpartition(".")
    allowed = TASKS.union(optional_setting("ORCA_TASKS", ()))
    by_name, by_module = path in allowed, module_name in allowed and not name.startswith("_")
    if not (by_name or by_module):
        return f"{_shown(path)} is not one of the tasks that workers may run: add it, or its module, to ORCA_TASKS."
    try:
        found = vars(importlib.import_module(module_name)).get(name)
    except ImportError as error:
        return f"{_shown(path)}: {module_name} cannot be imported ({type(error).__name__})."
    if not callable(found):
        return f"{_shown(path)}: {module_name} has no function {name!r}."
    if not by_name and not (inspect.isfunction(found) and found.__module__ == module_name):
        return f"{_shown(path)} is not a function of {module_name} itself, so it is not a task that workers may run."
    return ""


def _shown(value: object) -> str:
    return repr(value[:LONGEST_TEXT]) if isinstance(value, str) else f"a {type(value).__name__}"


def check_task(task: Any) -> None:
    """TaskRefused unless a task has only allowed fields, and its function and hook may run."""
    if not isinstance(task, dict):
        raise TaskRefused("The message is not a task.")
    unknown = sorted(str(name)[:LONGEST_TEXT] for name in task if name not in FIELDS)
    if unknown:
        raise TaskRefused(f"The option {unknown[0]!r} is not supported.")
    for name, (kinds, required) in FIELDS.items():
        given = task.get(name, ...)
        if given is ... and not required:
            continue
        if not isinstance(given, kinds) or (isinstance(given, str) and len(given) > LONGEST_TEXT):
            raise TaskRefused(f"The field {name!r} is missing or cannot be used.")
    if not all(isinstance(name, str) for name in task["kwargs"]):
        raise TaskRefused("The keywords are not texts.")
    for path in (task["func"], task.get("hook")):
        if path is not None and (problem := refusal(path)):
            raise TaskRefused(problem)


def read_message(payload: str | bytes) -> Any:
    """The content of a broker's message; TaskRefused when it is not signed with our key, or not only plain values."""
    try:
        return core_signing.loads(payload, key=Conf.SECRET_KEY, salt=Conf.PREFIX, serializer=plain_pickle.Serializer)
    except BadSignature:
        raise TaskRefused("The message is not signed with the key of this installation.") from None
    except plain_pickle.NotPlain as error:
        raise TaskRefused(f"The message is not accepted: {error}.") from None
    except NOT_A_MESSAGE as error:
        raise TaskRefused(f"The message cannot be read ({describe(error)}).") from None


def sound(messages: Iterable[tuple[Any, str | bytes]], broker: Any) -> list[tuple[Any, str]]:
    """The messages that workers may run, serialized again; the others are acknowledged, logged and counted.

    Serialized again, because django-q reads them next, and would run a pickle that its reader decodes differently.
    """
    taken: list[tuple[Any, str]] = []
    for number, payload in messages:
        try:
            task = read_message(payload)
            check_task(task)
            taken.append((number, _written(task)))
        except TaskRefused as error:
            broker.fail(number)
            note_refused("message", error)
    return taken


def _written(task: dict[str, Any]) -> str:
    try:
        message: str = SignedPackage.dumps(task)
    except (RecursionError, ValueError, TypeError) as error:
        raise TaskRefused(f"The message cannot be serialized again ({describe(error)}).") from None
    return message


def note_refused(what: str, error: object) -> None:
    """Log and count, and never raise: other messages are waiting."""
    logger.warning("task refused what=%s reason=%s", what, error)
    try:
        with transaction.atomic():
            EngineCounter.add(REFUSED)
    except DatabaseError as failure:
        logger.warning("counter not written name=%s error=%s", REFUSED, describe(failure))


def _check_before_sending(sender: object, task: dict[str, Any], **_: object) -> None:
    """django-q's `sync` runs a task in the sending process without a broker, so tasks are checked when sent, too."""
    check_task(task)


def _call_allowed_hook(sender: type[Task], instance: Task, **options: Any) -> None:
    """django-q calls the hook of a task in whatever process saves the row."""
    if not instance.hook:
        return
    if problem := refusal(instance.hook):
        note_refused("hook", problem)
    else:
        call_hook(sender, instance, **options)


def install() -> None:
    """Check everything that django-q would import, call or unpickle. Called once, when the app is ready."""
    pre_enqueue.connect(_check_before_sending)
    post_save.disconnect(call_hook, sender=Task)
    post_save.connect(_call_allowed_hook, sender=Task)
    for name in ("args", "kwargs", "result"):
        field: Any = Task._meta.get_field(name)
        field.from_db_value, field.to_python = plain_pickle.from_column, plain_pickle.to_python
