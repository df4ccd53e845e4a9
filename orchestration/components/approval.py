"""What services and handlers declare about results that a person must see before anything of them is written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, get_args

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict
from pydantic.fields import FieldInfo

PERMISSION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", re.ASCII)
LONGEST_DEADLINE = timedelta(days=3650)

Place = list[str | int]
"""Keys of objects and positions in lists, from the outside in."""


class AtDeadline(StrEnum):
    """What becomes of a result that nobody has decided on by its deadline."""

    ESCALATE = "escalate"
    REJECT = "reject"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """When a result waits for a person, and who decides. Whatever applies first to last is a reason; one is enough.

    ValueError says which values do not fit. Without any of the first six, `needs_approval` alone decides.
    """

    always: bool = False
    share: float = 0.0
    """Percent of the calls, 0-100, chosen by a hash of their ids: always the same ones."""
    changes: bool = False
    """When it would update or delete rows."""
    rows: int | None = None
    """When it would touch more rows than this."""
    unsure: str = ""
    """When the answer says so in this field (`confidence`, `assessment.unsure`; the name or an alias): true, or a text
    that is not empty."""
    unsure_below: float | None = None
    """The same for a field with a number: when it is below this, or missing."""

    deadline: timedelta | None = None
    at_deadline: AtDeadline = AtDeadline.ESCALATE
    assign_to: str = ""
    """The name of a group that is asked first."""
    escalate_to: str = ""
    """The name of a group that is asked when it is escalated."""
    persons: int = 1
    """How many have to approve it, 1 or 2; never the same one twice."""
    two_persons_above: int | None = None
    """Two of them, when it would touch more rows than this."""
    not_the_requester: bool = False
    """Whoever asked for the call does not decide on it."""
    permission: str = ""
    """What deciding needs besides `persistence.decide_hold`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        faults = self._faults()
        if faults:
            raise ValueError(f"Approval: {' '.join(faults)}")

    def _faults(self) -> list[str]:
        wrong = {
            "share must be a percentage between 0 and 100.": not (0 <= self.share <= 100),
            "rows must be 0 or more.": self.rows is not None and self.rows < 0,
            "two_persons_above must be 0 or more.": self.two_persons_above is not None and self.two_persons_above < 0,
            "persons must be 1 or 2.": self.persons not in (1, 2),
            "unsure_below needs the field's name in unsure.": self.unsure_below is not None and not self.unsure,
            "unsure_below must be a finite number.": self.unsure_below is not None
            and not math.isfinite(self.unsure_below),
            "deadline must be longer than nothing and at most ten years.": self.deadline is not None
            and not (timedelta(0) < self.deadline <= LONGEST_DEADLINE),
            "at_deadline must be escalate, reject or approve.": self.at_deadline not in list(AtDeadline),
            "at_deadline=escalate needs the name of a group in escalate_to.": self.deadline is not None
            and self.at_deadline == AtDeadline.ESCALATE
            and not self.escalate_to,
            "at_deadline without a deadline never applies.": self.deadline is None
            and self.at_deadline != AtDeadline.ESCALATE,
            'permission must be written "app.codename".': bool(self.permission)
            and not PERMISSION.fullmatch(self.permission),
        }
        return [fault for fault, is_wrong in wrong.items() if is_wrong]

    @property
    def looks_at_rows(self) -> bool:
        """Whether what it would write has to be known to say whether it waits."""
        return self.changes or self.rows is not None

    def unknown_field(self, schema: type[BaseModel] | None) -> str:
        """What is wrong with `unsure`, when the schema has no such field; empty when nothing is."""
        for name, places in self.where_unsure(schema):
            if not places:
                return f"unsure names {self.unsure!r}, and there is no field {name!r} there."
        return ""

    def where_unsure(self, schema: type[BaseModel] | None) -> Iterator[tuple[str, list[Place]]]:
        """For each name in `unsure`, of a field or its alias, the places where an answer may have it, the likeliest
        first; none for a field that the schema has not."""
        found: object = schema
        for name in self.unsure.split(".") if self.unsure else ():
            fields = found.model_fields if isinstance(found, type) and issubclass(found, BaseModel) else {}
            named = name if name in fields else next((key for key in fields if [name] in _places(key, fields[key])), "")
            yield name, _places(named, fields[named]) if named else []
            found = _model_in(fields[named].annotation) if named else None


def _places(name: str, field: FieldInfo) -> list[Place]:
    """Where an answer may have a field: an answer is kept as it came, with the aliases that its schema reads."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [*alias.convert_to_aliases(), [name]]
    if isinstance(alias, AliasPath):
        return [alias.convert_to_aliases(), [name]]
    return [[alias], [name]] if alias else [[name]]


def _model_in(annotation: object) -> object:
    """The type that an optional one has besides None."""
    options = [each for each in get_args(annotation) if each is not type(None)]
    return options[0] if len(options) == 1 and type(None) in get_args(annotation) else annotation
