"""What helps against a cause, and the cause in a sentence."""

from __future__ import annotations

from persistence.causes.cause import Cause, Kind
from persistence.causes.database_errors import sqlstate_name

REMEDIES = {
    Kind.TOO_LONG: "Say the limit in the schema (`max_length`), so that the model keeps to it from now on. For answers"
    " that are stored, cut the text in the handler or widen the column, then reprocess.",
    Kind.OUT_OF_RANGE: "Say the range in the schema (`ge`, `le`), or take a larger type for the column. If the number"
    " is computed, look at the line that computes it.",
    Kind.NULL: "Give the field a default in the handler or the model, or make it required in the schema, so that the"
    " model has to answer it.",
    Kind.DUPLICATE: "There is such a row already. Let the handler update it (`update_or_create`) or leave it, or look"
    " whether another call wrote the same; then reprocess.",
    Kind.MISSING_ROW: "A row that the handler needs does not exist, or no longer. Put it back, or let the handler do"
    " without it; if it was deleted on purpose, there is nothing to persist to.",
    Kind.CHOICE: "The answer has a value that the column does not know. Name the choices in the schema (`Literal` or an"
    " enum), so that the model can give no other, or add the choice to the model.",
    Kind.CHECK: "The row breaks a rule of its table. Look at the rule, and let the schema or the handler keep it.",
    Kind.VALIDATION: "The stored answer does not fit what reads it. If the schema became stricter, write an upgrade"
    " for older answers; if the answers are wrong, change the prompt and rerun the calls.",
    Kind.CONTENTION: "Other transactions held the same rows. It is tried again by itself; if that does not help, let"
    " handlers lock rows in one order, and hold them briefly.",
    Kind.TIMEOUT: "The handler, or a statement of it, took too long. Look for a slow query or a service it waits for.",
    Kind.OLDER_DATABASE: "The database is older than the code, or newer: run the migrations, then reprocess.",
    Kind.WORKER_DIED: "The process ended while the handler ran: memory, a crash in a library, or a kill. Look into the"
    " system's log at that time, then reprocess one call.",
    Kind.NOT_ACCEPTED: "Correct what the message names in the handler, deploy, then reprocess.",
    Kind.OTHER: "Correct the handler, look at a dry run, then reprocess.",
}


def remedy(cause: Cause) -> str:
    """What helps, in one or two sentences."""
    if cause.kind is not Kind.OTHER:
        return REMEDIES[cause.kind]
    where = f"The handler raised it at {place(cause)}." if cause.frames else NO_LINE
    return f"{where} {REMEDIES[cause.kind]}"


NO_LINE = "No line of the handler was noted with it; a dry run raises it again, and the worker's log has the traceback."


def headline(cause: Cause) -> str:
    """The cause in one line."""
    details = [text for text in (_about(cause), cause.message, _refused(cause)) if text]
    return f"{cause.exception}: {'; '.join(details)}" if details else cause.exception


def place(cause: Cause) -> str:
    """The innermost line of the app; empty where none is known."""
    return str(cause.frames[-1]) if cause.frames else ""


def _about(cause: Cause) -> str:
    columns = ", ".join(cause.columns)
    table = f"{cause.table}{f' ({columns})' if columns else ''}"
    named = [
        cause.kind.value if cause.kind is not Kind.OTHER else "",
        f"in {table}" if cause.table else "",
        f"by {cause.constraint}" if cause.constraint else "",
        f"SQLSTATE {sqlstate_name(cause.sqlstate)}" if cause.sqlstate else "",
    ]
    return ", ".join(text for text in named if text)


def _refused(cause: Cause) -> str:
    return "; ".join(map(str, cause.faults))
