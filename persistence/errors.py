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


class DryRunIncomplete(PersistenceError):
    """What a result would write cannot be shown, so nobody can be asked about it."""


class DecisionRefused(PersistenceError):
    """This decision cannot be taken; `code` is a stable word for why."""

    code = "approval_refused"


class HoldClosed(DecisionRefused):
    """It was decided before."""

    code = "approval_closed"


class HoldSuperseded(HoldClosed):
    """There is nothing left to decide: the call is gone, or its result was dealt with in another way."""

    code = "approval_superseded"


class ShownOutdated(DecisionRefused):
    """What was decided about is not what is shown now: look at it again, and decide then."""

    code = "approval_outdated"


class DeadlinePassed(DecisionRefused):
    """Its deadline has passed, and what was declared for that is being done."""

    code = "approval_expired"


class MayNotDecide(DecisionRefused):
    """This person may not decide on it."""

    code = "missing_permission"


class OwnRequest(MayNotDecide):
    """Whoever asked for the call does not decide on its result: ask somebody else."""

    code = "approval_own"


class SamePerson(MayNotDecide):
    """You have approved it already, and it takes another person, too."""

    code = "approval_same_person"


class InvalidDecision(DecisionRefused):
    """The decision lacks something."""

    code = "approval_invalid"


class InvalidEdit(InvalidDecision):
    """The edited answer does not fit its schema."""

    code = "invalid_edit"


class NotPersistable(DecisionRefused):
    """It cannot be persisted."""

    code = "approval_unpersistable"


class ErasureRefused(PersistenceError):
    """This cannot be erased."""


class BulkRefused(PersistenceError):
    """This bulk run cannot do that now."""
