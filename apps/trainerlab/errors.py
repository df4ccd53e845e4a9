"""Why the trainer's side refuses something; the docstring is the message, `code` is for programs."""

from __future__ import annotations

from apps.simulation.errors import SimulationRefused


class CommandKeyReused(SimulationRefused):
    """This command key was used for another command of this session. Use a new one for each command."""

    code = "command_key_reused"


class ScenarioArchived(SimulationRefused):
    """This scenario is archived. Choose another one, or bring it back."""

    code = "scenario_archived"


class AlreadyAssigned(SimulationRefused):
    """This trainee has this scenario still to play."""

    code = "already_assigned"


class AssignmentWithdrawn(SimulationRefused):
    """This assignment was withdrawn. Ask your instructor for another one."""

    code = "assignment_withdrawn"


class AssignmentStarted(SimulationRefused):
    """This assignment was started already; end its simulation instead."""

    code = "assignment_started"


class NoSuchMessage(SimulationRefused):
    """This simulation has no message with that number."""

    code = "no_such_message"
