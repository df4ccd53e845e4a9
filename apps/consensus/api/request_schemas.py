"""The request bodies of the API; the forms of the pages use them, too."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from apps.consensus.api.sentences import MAX_SENTENCES, count_sentences
from apps.consensus.conf import Temperature
from apps.consensus.models.runs import MAX_IDEA
from apps.consensus.workflow.start import Edits
from orchestration.api.schemas import storable
from orchestration.values.plain_text import plain_text

MAX_CONTEXT = 50_000
MAX_EDIT = 50_000
MAX_NOTES = 10_000


def few_sentences(idea: str) -> str:
    """ValueError unless the idea has 1 to MAX_SENTENCES sentences."""
    count = count_sentences(idea)
    if not 1 <= count <= MAX_SENTENCES:
        raise ValueError(f"must have 1 to {MAX_SENTENCES} sentences, it has {count}")
    return idea


def limited(value: Any) -> Any:
    """Text or JSON of at most MAX_CONTEXT characters that every database stores; ValueError otherwise."""
    if isinstance(value, str):
        plain_text(value)
        length = len(value)
    else:
        storable(value)
        length = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    if length > MAX_CONTEXT:
        raise ValueError(f"must have at most {MAX_CONTEXT:,} characters, it has {length:,}")
    return value


def nothing_is_none(value: Any) -> Any:
    """`""`, blank text and `{}` mean no context."""
    return None if value == {} or (isinstance(value, str) and not value.strip()) else value


Idea = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_IDEA),
    AfterValidator(plain_text),
    AfterValidator(few_sentences),
    Field(examples=["A shared calendar for choirs. It plans rehearsals and tells everybody."]),
]
Context = Annotated[dict[str, Any] | str, AfterValidator(limited)]
ExtraContext = Annotated[Context | None, AfterValidator(nothing_is_none)]
Written = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_EDIT), AfterValidator(plain_text)
]
Notes = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTES), AfterValidator(plain_text)]
ModelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class IdeaIn(Schema):
    """`extra_context` is text or an object of at most 50,000 characters; `""` and `{}` mean none."""

    model_config = ConfigDict(extra="forbid")

    idea: Idea
    extra_context: ExtraContext = None


class FullReviewIn(IdeaIn):
    priority: Literal["normal", "high"] = "normal"


class ProposalEdit(Schema):
    """The fields of the proposal that change; each is stored exactly as given."""

    model_config = ConfigDict(extra="forbid")

    title: Written | None = None
    summary: Written | None = None
    problem_statement: Written | None = None
    proposed_solution: Written | None = None
    assumptions: Annotated[list[Written], Field(max_length=100)] | None = None
    scope_non_goals: Annotated[list[Written], Field(max_length=100)] | None = None


class RevisionIn(Schema):
    """At least one edit. A text describes the change; an object replaces fields of the proposal."""

    model_config = ConfigDict(extra="forbid")

    edited_proposal: Written | ProposalEdit | None = None
    edit_notes: Notes = ""
    idea: Idea | None = None
    extra_context: ExtraContext = None
    model: ModelName | None = None
    temperature: Temperature | None = None

    def edits(self) -> Edits:
        """The edits that were given; an empty one counts as none."""
        given = self.edited_proposal
        edited = (given.model_dump(exclude_none=True) or None) if isinstance(given, ProposalEdit) else given
        return Edits(
            edited_proposal=edited,
            edit_notes=self.edit_notes,
            idea=self.idea,
            extra_context=self.extra_context,
            replace_context="extra_context" in self.model_fields_set,
            model=self.model,
            temperature=None if self.temperature is None else Decimal(self.temperature),
        )
