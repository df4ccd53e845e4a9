"""Why a simulation refuses something; the docstring is the message, `code` is for programs."""

from __future__ import annotations


class SimulationRefused(Exception):
    """The simulation refuses this."""

    code = "conflict"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SimulationEnded(SimulationRefused):
    """This simulation has ended; nothing can be added to it. Start a new one."""

    code = "simulation_ended"


class SimulationPaused(SimulationRefused):
    """The instructor has paused this simulation. Wait until it goes on."""

    code = "simulation_paused"


class TimeIsUp(SimulationRefused):
    """The time of this simulation is up. It is being ended, and the feedback follows."""

    code = "time_is_up"


class NotRunning(SimulationRefused):
    """Only a running simulation can be paused."""

    code = "not_running"


class NotPaused(SimulationRefused):
    """This simulation is not paused."""

    code = "not_paused"


class NotEnded(SimulationRefused):
    """There is feedback only after the end. End the simulation first."""

    code = "not_ended"


class NothingSaid(SimulationRefused):
    """Nothing was said in this simulation, so there is nothing to give feedback on."""

    code = "nothing_said"


class FeedbackPending(SimulationRefused):
    """The feedback is being made. Wait for it."""

    code = "feedback_pending"


class FeedbackMissing(SimulationRefused):
    """There is no feedback to ask about yet. Wait for it, or ask for it again."""

    code = "feedback_missing"


class ClientIdReused(SimulationRefused):
    """This client_id was used for something else in this simulation. Use a new one each time."""

    code = "client_id_reused"


class NotRetryable(SimulationRefused):
    """Only what failed and may succeed when tried again can be retried."""

    code = "not_retryable"
