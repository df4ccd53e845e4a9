"""Signals of a simulation, sent inside its transaction: a receiver that raises rolls it back."""

from __future__ import annotations

from django.dispatch import Signal

simulation_created = Signal()  # simulation, user: a lab opens its session and submits the first call
simulation_ended = Signal()  # simulation: sent once per simulation
announced = Signal()  # simulation (locked), content, sender_user: an event that everybody in the session sees
