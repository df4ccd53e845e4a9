"""Why the consensus engine refuses something; the docstring is the message, `code` is for programs."""

from __future__ import annotations


class ConsensusRefused(Exception):
    """This cannot be done."""

    code = "conflict"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class PromptsNotUsable(ConsensusRefused):
    """The personas and prompts of the configured version cannot be used."""

    code = "prompts_not_usable"


class NotRetryable(ConsensusRefused):
    """Only a run that failed or was cancelled can be retried."""

    code = "not_retryable"


class StillStopping(ConsensusRefused):
    """A request of this run is still being stopped. Try again in a moment."""

    code = "still_stopping"


class NotCancellable(ConsensusRefused):
    """This run has ended; there is nothing to cancel."""

    code = "not_cancellable"


class ParentNotCompleted(ConsensusRefused):
    """Only a completed run can be revised. Wait for it, or retry it."""

    code = "parent_not_completed"


class NothingEdited(ConsensusRefused):
    """This revision changes nothing. Give at least one of edited_proposal, edit_notes, idea, extra_context, model and
    temperature, with another value than the run has that is revised."""

    code = "nothing_edited"


class KeyReused(ConsensusRefused):
    """This Idempotency-Key was used before with another request."""

    code = "idempotency_conflict"
