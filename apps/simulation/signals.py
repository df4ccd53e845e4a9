"""What the anchor tells the apps around it. Both are sent inside the transaction: a receiver that raises undoes it."""

from django.dispatch import Signal

simulation_created = Signal()  # simulation, user: a lab opens its session and submits the first call
simulation_ended = Signal()  # simulation: sent once per simulation
