"""Refusals of the trainer's side; the docstring is the message, `code` is for programs."""

from __future__ import annotations

from apps.simulation.errors import SimulationRefused


class CommandKeyReused(SimulationRefused):
    """This command key was used for another command of this session. Use a new one for each command."""

    code = "command_key_reused"


class ScenarioArchived(SimulationRefused):
    """This scenario is archived. Choose another one, or restore it."""

    code = "scenario_archived"


class AlreadyAssigned(SimulationRefused):
    """This trainee already has an open assignment of this scenario."""

    code = "already_assigned"


class DueInThePast(SimulationRefused):
    """The due date is in the past. Choose a later one, or leave it empty."""

    code = "due_in_the_past"


class AssignmentWithdrawn(SimulationRefused):
    """This assignment was withdrawn. Ask your instructor for another one."""

    code = "assignment_withdrawn"


class AssignmentStarted(SimulationRefused):
    """This assignment has already been started; end its simulation instead."""

    code = "assignment_started"


class BadVitals(SimulationRefused):
    """Write at least one value: heart rate, blood pressure, respiratory rate, oxygen saturation or temperature."""

    code = "bad_vitals"


class NoSuchMessage(SimulationRefused):
    """This simulation has no message with that number."""

    code = "no_such_message"
