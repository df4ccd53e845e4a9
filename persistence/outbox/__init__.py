"""The outbox: each succeeded call is persisted once, in one transaction with its chunk."""

from persistence.outbox.drain import drain_batch, drain_call, drain_calls
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Counts, Outcome

__all__ = ["Counts", "OutboxRow", "Outcome", "drain_batch", "drain_call", "drain_calls"]
