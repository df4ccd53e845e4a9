"""The trainer's side over REST: scenarios, assignments, sessions. What is not yours is 404."""

from __future__ import annotations

from ninja import Router

from apps.trainerlab.api_assignments import router as assignments
from apps.trainerlab.api_scenarios import router as scenarios
from apps.trainerlab.api_sessions import router as sessions

router = Router(tags=["training"])
for _part in (scenarios, assignments, sessions):
    router.add_router("", _part)
