"""REST of the trainer's side: scenarios, assignments, sessions. What is not yours is 404."""

from ninja import Router

from apps.trainerlab.api.assignments import router as assignments
from apps.trainerlab.api.scenarios import router as scenarios
from apps.trainerlab.api.sessions import router as sessions

__all__ = ["router"]

router = Router(tags=["training"])
for _part in (scenarios, assignments, sessions):
    router.add_router("", _part)
