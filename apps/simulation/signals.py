"""What the anchor tells the apps around it. All are sent inside the transaction: a receiver that raises undoes it."""

from __future__ import annotations

from django.dispatch import Signal

simulation_created = Signal()  # simulation, user: a lab opens its session and submits the first call
simulation_ended = Signal()  # simulation: sent once per simulation
announced = Signal()  # simulation (locked), content, sender_user: something happened that everybody in the session sees
