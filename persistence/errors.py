"""Every error that persistence raises on purpose; the docstring is the default message."""

from __future__ import annotations


class PersistenceError(Exception):
    """Something went wrong in persistence.

    Messages name classes, paths and types, never values: they are stored with the call and logged.
    """

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class HandlerDefinitionError(PersistenceError, TypeError):
    """This class does not fulfil the contract of a persistence handler."""


class CodecDefinitionError(PersistenceError, TypeError):
    """This class does not fulfil the contract of a codec."""


class HandlerCollision(PersistenceError, ValueError):
    """Two handlers claim the results of one schema in one namespace."""


class UnknownSchema(PersistenceError, LookupError):
    """The schema of this stored result is not registered."""


class InvalidReturn(PersistenceError, TypeError):
    """A handler returns the model instance or instances that it made, or None."""


class InvalidSummary(PersistenceError, TypeError):
    """A codec returns a small JSON object (ids, counts, flags), or None."""


class InvalidLink(PersistenceError, TypeError):
    """Only saved model instances can be linked to what was persisted."""


class KeyTooLong(PersistenceError, ValueError):
    """The primary key of a row is too long to be kept with the call that made it."""


class OtherDatabase(PersistenceError):
    """A dry run can undo what is written to the default database only."""


class LinkInAsyncCode(PersistenceError):
    """Outside the drain, `link` writes at once, which asynchronous code cannot: use `await self.alink(...)`."""


class UpgradeDefinitionError(PersistenceError, TypeError):
    """This function does not fulfil the contract of an upgrade."""


class NotUpgradable(PersistenceError):
    """No upgrade leads from this stored result to the schema's present version."""


class ReprocessRefused(PersistenceError):
    """This result cannot be reprocessed or reverted as asked."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


class ErasureRefused(PersistenceError):
    """This cannot be erased."""


class BulkRefused(PersistenceError):
    """This bulk run cannot do that now."""
