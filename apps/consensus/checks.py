"""System checks: the settings, and the prompts that new runs will use. Every misconfiguration has an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from apps.consensus.conf import consensus_settings
from apps.consensus.decision.verdict import Rules
from apps.consensus.errors import PromptsNotUsable
from apps.consensus.models import Persona
from apps.consensus.prompt_sets.install import current_prompt_set

Apps = Sequence[AppConfig] | None
HINT = "Correct the personas and weights of this version in the admin, or set PERSONA_TEMPLATE_VERSION to another one."


@register("consensus")
def check_settings(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: CONSENSUS has an unknown key or a value out of range. E002: the default weights do not total 1."""
    found = consensus_settings.check("consensus.E001")
    try:
        Rules()
    except ValueError as error:
        found.append(
            Error(f"apps.consensus.decision.personas: {error}", hint="Weights must total 1.", id="consensus.E002")
        )
    return found


@register(Tags.database)
def check_prompts(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E003: the prompt version for new runs is missing, its weights do not total 1, or personas or texts are wrong."""
    for alias in databases or ():
        if Persona._meta.db_table not in connections[alias].introspection.table_names():
            return []  # not migrated yet
        try:
            current_prompt_set()
        except PromptsNotUsable as error:
            return [Error(str(error), hint=HINT, id="consensus.E003")]
    return []
