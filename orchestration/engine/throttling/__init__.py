"""Which due calls may go out now: rate limits, circuits and pauses."""

from orchestration.engine.throttling.admission import Admission, admit_now
from orchestration.engine.throttling.reasons import ThrottleReason
from orchestration.engine.throttling.snapshot import Limits, anything_to_run, held_back
from orchestration.engine.throttling.token_bucket import Bucket

__all__ = ["Admission", "Bucket", "Limits", "ThrottleReason", "admit_now", "anything_to_run", "held_back"]
