"""Refusals of a simulation; the docstring is the message, `code` is for programs."""

from __future__ import annotations


class SimulationRefused(Exception):
    """The simulation does not allow this."""

    code = "conflict"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SimulationEnded(SimulationRefused):
    """This simulation has ended; nothing can be added to it. Start a new one."""

    code = "simulation_ended"


class SimulationPaused(SimulationRefused):
    """The instructor has paused this simulation. Wait until it is resumed."""

    code = "simulation_paused"


class TimeIsUp(SimulationRefused):
    """The time of this simulation is up. It is ending, and the feedback follows."""

    code = "time_is_up"


class NotRunning(SimulationRefused):
    """Only a running simulation can be paused."""

    code = "not_running"


class NotPaused(SimulationRefused):
    """This simulation is not paused."""

    code = "not_paused"


class NotEnded(SimulationRefused):
    """Feedback is given after the end. End the simulation first."""

    code = "not_ended"


class NothingSaid(SimulationRefused):
    """Nothing was said in this simulation, so there is nothing to give feedback on."""

    code = "nothing_said"


class FeedbackPending(SimulationRefused):
    """The feedback is being written. Wait for it."""

    code = "feedback_pending"


class FeedbackMissing(SimulationRefused):
    """There is no feedback to ask about yet. Wait for it, or request it again."""

    code = "feedback_missing"


class ClientIdReused(SimulationRefused):
    """This client_id was used for something else in this simulation. Use a new one each time."""

    code = "client_id_reused"


class NotRetryable(SimulationRefused):
    """Only something that failed and may succeed on another try can be retried."""

    code = "not_retryable"
