"""The queue: calls become rows, and workers claim them."""

from orchestration.engine.queue.claim import Lease, claim
from orchestration.engine.queue.enqueue import CallSpec, submit, submit_many
from orchestration.engine.queue.transport import send_task, wake

__all__ = ["CallSpec", "Lease", "claim", "send_task", "submit", "submit_many", "wake"]
