"""REST about simulations, their events, pictures and feedback."""

from ninja import Router

from apps.simulation.api.events import router as events
from apps.simulation.api.feedback import router as feedback
from apps.simulation.api.images import router as images
from apps.simulation.api.simulations import router as simulations

__all__ = ["router"]

router = Router(tags=["simulations"])
for _part in (simulations, events, feedback, images):
    router.add_router("", _part)
