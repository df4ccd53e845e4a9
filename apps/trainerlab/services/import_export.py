"""Import and export of scenarios; keys identify them across systems. With their pictures: `archive.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from django.db import transaction

from apps.simulation.api.schemas import CaseIn
from apps.simulation.errors import SimulationRefused
from apps.trainerlab.models import ScenarioImage, ScenarioTemplate
from apps.trainerlab.services.pictures import PackedPicture, replace_pictures
from apps.trainerlab.services.scenario_file import FILE_FORMAT, ImportOut, ScenarioFile, ScenarioIn
from orchestration.values.file_formats import NAME

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.accounts.models import User

PORTED = (
    "key",
    "title",
    "summary",
    *(name for name in CaseIn.model_fields if name != "time_limit_minutes"),
    "is_open",
    "holds_feedback",
)
"""The columns of a scenario that is exported or imported, besides its time limit."""


class NotYours(SimulationRefused):
    """A scenario of this file belongs to somebody else."""

    code = "not_yours"


def as_file(templates: QuerySet[ScenarioTemplate]) -> dict[str, Any]:
    """Scenarios as ScenarioFile, by key; without pictures and owners."""
    return {NAME: FILE_FORMAT, "scenarios": [as_input(template) for template in templates.order_by("key")]}


def as_input(template: ScenarioTemplate) -> dict[str, Any]:
    """A scenario as ScenarioIn."""
    return template.values_of(PORTED) | {"time_limit_minutes": minutes(template)}


def minutes(template: ScenarioTemplate) -> int | None:
    return None if template.time_limit is None else int(template.time_limit.total_seconds() // 60)


class Packed(Protocol):
    """The pictures that come with scenarios, by the keys of these."""

    def __getitem__(self, key: str) -> Iterable[PackedPicture]: ...


def import_scenarios(file: ScenarioFile, user: User, pictures: Packed | None = None) -> ImportOut:
    """Create what is new, change what differs, all or nothing; without `pictures` those of known scenarios stay.

    Raises NotYours, which names the keys, and ImageRefused, which names the file.
    """
    done = {"created": 0, "updated": 0, "unchanged": 0}
    made: list[ScenarioImage] = []
    try:
        with transaction.atomic():
            known = _known(file, user)
            for scenario in file.scenarios:
                template, verdict = _store(scenario, known.get(scenario.key), user)
                if pictures is not None and replace_pictures(template, pictures[scenario.key], made):
                    verdict = "updated" if verdict == "unchanged" else verdict
                done[verdict] += 1
    except BaseException:  # whatever it is: the rows are rolled back, their files are not
        for row in made:
            row.file.delete(save=False)
        raise
    return ImportOut(**done)


def _known(file: ScenarioFile, user: User) -> dict[str, ScenarioTemplate]:
    """The scenarios of a file that exist, locked; NotYours when one is somebody else's."""
    rows = ScenarioTemplate.objects.select_for_update(no_key=True)
    known = {row.key: row for row in rows.filter(key__in=[scenario.key for scenario in file.scenarios])}
    mine = set(ScenarioTemplate.objects.changeable_by(user).filter(key__in=known).values_list("key", flat=True))
    foreign = sorted(set(known) - mine)
    if foreign:
        raise NotYours(f"These scenarios belong to somebody else: {', '.join(foreign)}. Use other keys for yours.")
    return known


def _store(scenario: ScenarioIn, known: ScenarioTemplate | None, user: User) -> tuple[ScenarioTemplate, str]:
    fields = {name: value for name, value in scenario.fields().items() if name != "pictures"}
    if known is None:
        return ScenarioTemplate.objects.create(owner=user, **fields), "created"
    stored = known.values_of(fields)
    changed = {name: value for name, value in fields.items() if stored[name] != value}
    if not changed:
        return known, "unchanged"
    for name, value in changed.items():
        setattr(known, name, value)
    known.save(update_fields=[*changed, "updated_at"])
    return known, "updated"
