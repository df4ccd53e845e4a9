"""Scenarios as a file: out of one system, into another, found again by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.simulation.errors import SimulationRefused
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.schemas import ImportOut, ScenarioFile, ScenarioIn

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.accounts.models import User

PORTED = tuple(name for name in ScenarioIn.model_fields if name != "time_limit_minutes")


class NotYours(SimulationRefused):
    """A scenario of this file belongs to somebody else."""

    code = "not_yours"


def as_file(templates: QuerySet[ScenarioTemplate]) -> dict[str, Any]:
    """Scenarios as ScenarioFile, by key; without pictures and owners."""
    return {"scenarios": [as_input(template) for template in templates.order_by("key")]}


def as_input(template: ScenarioTemplate) -> dict[str, Any]:
    """A scenario as ScenarioIn."""
    return {name: getattr(template, name) for name in PORTED} | {"time_limit_minutes": minutes(template)}


def minutes(template: ScenarioTemplate) -> int | None:
    return None if template.time_limit is None else int(template.time_limit.total_seconds() // 60)


def import_scenarios(file: ScenarioFile, user: User) -> ImportOut:
    """Create what is new, change what differs, all or nothing. Raises NotYours, which names the keys."""
    done = {"created": 0, "updated": 0, "unchanged": 0}
    with transaction.atomic():
        rows = ScenarioTemplate.objects.select_for_update(no_key=True)
        known = {row.key: row for row in rows.filter(key__in=[scenario.key for scenario in file.scenarios])}
        mine = set(ScenarioTemplate.objects.changeable_by(user).filter(key__in=known).values_list("key", flat=True))
        foreign = sorted(set(known) - mine)
        if foreign:
            raise NotYours(f"These scenarios belong to somebody else: {', '.join(foreign)}. Give yours other keys.")
        for scenario in file.scenarios:
            done[_store(scenario, known.get(scenario.key), user)] += 1
    return ImportOut(**done)


def _store(scenario: ScenarioIn, known: ScenarioTemplate | None, user: User) -> str:
    if known is None:
        ScenarioTemplate.objects.create(owner=user, **scenario.fields())
        return "created"
    changed = {name: value for name, value in scenario.fields().items() if getattr(known, name) != value}
    if not changed:
        return "unchanged"
    for name, value in changed.items():
        setattr(known, name, value)
    known.save(update_fields=[*changed, "updated_at"])
    return "updated"
