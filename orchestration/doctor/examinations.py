"""What the doctor looks at. Apps add to it with `add_examinations`; findings are those of Django's system checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module

from django.core import checks
from django.core.checks import CheckMessage, Info
from django.db import DatabaseError, connection

from orchestration.isolation import isolated
from orchestration.log import describe

OK, WARNING, WRONG = "ok", "warning", "wrong"
NOT_LOOKED_AT = ("orchestration.W201", "orchestration.E201")
NOT_REACHED = "The database does not answer, so this was not looked at."


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One thing to look at in a running installation."""

    topic: str
    """One or two words, such as `workers`."""
    look: Callable[[], Iterable[CheckMessage]]
    """Errors and warnings say what is wrong, with a hint how to mend it; what is worth knowing all the same is an
    `Info`. Neither holds content, keys or passwords."""
    needs_database: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the report."""

    topic: str
    status: str
    """`ok`, `warning` or `wrong`."""
    message: str
    mend: str = ""
    id: str = ""
    """Of the finding; empty in lines that are ok."""


_modules: list[str] = []


def add_examinations(module: str) -> None:
    """Have the doctor look at what a module names in EXAMINATIONS, too. For the `ready()` of an app: the module is
    imported when the doctor is asked, by its dotted path."""
    if module not in _modules:
        _modules.append(module)


def examinations() -> list[Examination]:
    """All of them, in the order in which they were added; of one topic the last."""
    found: dict[str, Examination] = {}
    for module in _modules:
        found.update({examination.topic: examination for examination in import_module(module).EXAMINATIONS})
    return list(found.values())


def examine() -> list[Line]:
    """Look at everything; needs neither a worker nor a web process. What several topics find is in the first alone."""
    reached = _database_answers()
    lines: list[Line] = []
    known: set[tuple[str, str]] = set()
    for examination in examinations():
        for line in _of(examination, reached=reached):
            if line.id in NOT_LOOKED_AT or line.status == OK or (line.id, line.message) not in known:
                lines.append(line)
            known.add((line.id, line.message))
    return lines


def _of(examination: Examination, *, reached: bool) -> Iterator[Line]:
    topic = examination.topic
    if examination.needs_database and not reached:
        yield Line(topic=topic, status=WARNING, message=NOT_REACHED, mend="See database.", id="orchestration.W201")
        return
    found: list[CheckMessage] = []
    with isolated() as looking:
        found += (message for message in examination.look() if not message.is_silenced())
    bad = [message for message in found if message.level >= checks.WARNING]
    for message in bad:
        status = WRONG if message.level >= checks.ERROR else WARNING
        mend = " ".join(str(message.hint or "").split())
        yield Line(topic=topic, status=status, message=_one_line(message), mend=mend, id=message.id or "")
    if looking.error is not None:
        yield Line(
            topic=topic,
            status=WRONG,
            message=f"This could not be looked at: {describe(looking.error)}.",
            mend="Mend what else is wrong, above all the database and its migrations, and look again.",
            id="orchestration.E201",
        )
    elif not bad:
        yield Line(topic=topic, status=OK, message="; ".join(map(_one_line, found)))


def _one_line(message: CheckMessage) -> str:
    return " ".join(str(message.msg).split())


def _database_answers() -> bool:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def fact(text: str) -> CheckMessage:
    """Something worth knowing that is not wrong."""
    return Info(text)
