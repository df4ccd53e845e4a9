"""Starts runs and revisions, for the API, the pages and the console."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from apps.consensus import log
from apps.consensus.conf import consensus_settings
from apps.consensus.errors import KeyReused, NothingEdited, ParentNotCompleted
from apps.consensus.models import Run, RunType, StepProgress
from apps.consensus.models.runs import STEPS, Priority
from apps.consensus.orca.schemas import SCHEMA_VERSION
from apps.consensus.prompt_sets.install import current_prompt_set
from apps.consensus.workflow.steps import request_proposal
from orchestration.conf import clients_settings
from orchestration.types import JsonObject

if TYPE_CHECKING:
    from apps.accounts.models import User

FROM_PARENT = ("expand_model", "expand_temperature", "review_model", "review_temperature")
"""The parameters that a revision copies from its parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What a revision changes; None leaves it as the parent has it. `replace_context`: null was given."""

    edited_proposal: str | JsonObject | None = None
    edit_notes: str = ""
    idea: str | None = None
    extra_context: Any = None
    replace_context: bool = False
    model: str | None = None
    temperature: Decimal | None = None

    @property
    def is_empty(self) -> bool:
        given = (self.edited_proposal, self.edit_notes, self.idea, self.model)
        return not any(given) and self.temperature is None and not self.replace_context


def start_run(
    user: User,
    *,
    idea: str,
    extra_context: Any = None,
    priority: str = Priority.NORMAL,
    idempotency_key: str | None = None,
) -> tuple[Run, bool]:
    """A new run with its seven steps and its first call, in one transaction; or the run of the same key and request.

    The second value says whether it is new. Raises PromptsNotUsable or KeyReused.
    """
    run = Run(
        user=user,
        input_idea=idea,
        extra_context=extra_context,
        priority=priority,
        idempotency_key=idempotency_key,
        request_fingerprint=fingerprint("run", idea, extra_context, priority),
    )
    return _start(run, parameters())


def start_revision(user: User, parent: Run, edits: Edits, *, idempotency_key: str | None = None) -> tuple[Run, bool]:
    """A run that reviews the edited proposal of a completed one; as `start_run`.

    Raises ParentNotCompleted and NothingEdited, too.
    """
    if not parent.can_be_revised:
        raise ParentNotCompleted
    content = [edits.edited_proposal, edits.edit_notes, edits.idea, edits.extra_context, edits.model]
    run = Run(
        user=user,
        run_type=RunType.REVISION,
        parent_run=parent,
        input_idea=edits.idea or parent.input_idea,
        extra_context=edits.extra_context if edits.replace_context else parent.extra_context,
        edited_proposal=edits.edited_proposal,
        edit_notes=edits.edit_notes,
        priority=parent.priority,
        idempotency_key=idempotency_key,
        request_fingerprint=fingerprint("revision", str(parent.pk), *content, str(edits.temperature)),
    )
    chosen = parameters()
    for name in FROM_PARENT:
        chosen[name] = parent.parameters_json[name]
    if edits.model is not None:
        chosen["expand_model"] = chosen["review_model"] = edits.model
    if edits.temperature is not None:
        chosen["review_temperature"] = float(edits.temperature)
    if not _changes(run, chosen, parent):
        raise NothingEdited
    return _start(run, chosen)


def _changes(run: Run, chosen: JsonObject, parent: Run) -> bool:
    """Whether a revision differs from its parent in any input of a model."""
    if run.edit_notes or isinstance(run.edited_proposal, str):
        return True
    stored = parent.proposal.expanded_proposal_json
    edited = any(stored.get(name) != value for name, value in (run.edited_proposal or {}).items())
    asked = [(chosen[name], parent.parameters_json[name]) for name in FROM_PARENT]
    asked += [(run.input_idea, parent.input_idea), (run.extra_context, parent.extra_context)]
    return edited or any(own != inherited for own, inherited in asked)


def parameters() -> JsonObject:
    """The parameters of a new run, from the settings."""
    settings, clients = consensus_settings(), clients_settings()
    default = clients.clients[clients.default_client].model
    return {
        "expand_model": settings.EXPAND_MODEL or default,
        "expand_temperature": float(settings.EXPAND_TEMPERATURE),
        "review_model": settings.REVIEW_MODEL or default,
        "review_temperature": float(settings.REVIEW_TEMPERATURE),
        "persona_template_version": settings.PERSONA_TEMPLATE_VERSION,
        "max_retries_per_persona": settings.MAX_RETRIES_PER_PERSONA,
    }


def fingerprint(*content: Any) -> str:
    """SHA-256 of everything that must be equal in a repeated request."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _start(run: Run, chosen: JsonObject) -> tuple[Run, bool]:
    earlier = _earlier(run)
    if earlier is not None:
        return earlier, False
    run.prompt_set = current_prompt_set()
    run.schema_version = SCHEMA_VERSION
    run.parameters_json = chosen
    run.model = chosen["review_model"]
    run.temperature = Decimal(str(chosen["review_temperature"]))
    try:
        with transaction.atomic():
            _create(run)
    except IntegrityError:
        earlier = _earlier(run)
        if earlier is None:
            raise
        return earlier, False
    return run, True


def _create(run: Run) -> None:
    run.save(force_insert=True)
    StepProgress.objects.bulk_create(
        StepProgress(run=run, step=step, position=position) for position, step in enumerate(STEPS, 1)
    )
    request_proposal(run)
    run.add_event("run", {"status": run.status, "error_code": "", "decision": None})
    transaction.on_commit(partial(log.run_changed, "created", run), robust=True)


def _earlier(run: Run) -> Run | None:
    """The earlier run with the same idempotency key; KeyReused when its request was another one."""
    if run.idempotency_key is None:
        return None
    found = Run.objects.filter(user=run.user, idempotency_key=run.idempotency_key).first()
    if found is not None and found.request_fingerprint != run.request_fingerprint:
        raise KeyReused
    return found
