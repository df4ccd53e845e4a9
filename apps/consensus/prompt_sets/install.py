"""Installs the default prompts, and finds the version that new runs use."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction

from apps.consensus.conf import consensus_settings
from apps.consensus.errors import PromptsNotUsable
from apps.consensus.models import Persona, PromptSet
from apps.consensus.prompt_sets import defaults
from orchestration.models.tables import is_migrated


def install_defaults(using: str = DEFAULT_DB_ALIAS) -> PromptSet:
    """The default version, created when it does not exist; an existing one is left unchanged."""
    with transaction.atomic(using=using):
        prompt_set, created = PromptSet.objects.using(using).get_or_create(
            version=defaults.DEFAULT_VERSION,
            defaults={
                "expand_instruction": defaults.EXPAND_INSTRUCTION,
                "review_instruction": defaults.REVIEW_INSTRUCTION,
                "generic_instruction": defaults.GENERIC_INSTRUCTION,
            },
        )
        if created:
            for position, persona in enumerate(defaults.PERSONAS, 1):
                Persona.objects.using(using).create(
                    prompt_set=prompt_set,
                    persona_id=persona.persona_id,
                    name=persona.name,
                    position=position,
                    weight=persona.weight,
                    instruction=persona.instruction,
                )
    return prompt_set


def install_after_migrate(*, using: str, **_: Any) -> None:
    """After `migrate`, and after the flush of a test; not when `migrate` made or left no tables of this app."""
    if is_migrated(PromptSet, using) and is_migrated(Persona, using):
        install_defaults(using)


def current_prompt_set() -> PromptSet:
    """The version that new runs use; PromptsNotUsable says what is wrong with it."""
    version = consensus_settings().PERSONA_TEMPLATE_VERSION
    prompt_set = PromptSet.objects.prefetch_related("personas").filter(version=version).first()
    if prompt_set is None:
        known = ", ".join(PromptSet.objects.values_list("version", flat=True)) or "none"
        raise PromptsNotUsable(f"There is no prompt set {version} (PERSONA_TEMPLATE_VERSION); there are: {known}.")
    faults = prompt_set.faults()
    if faults:
        raise PromptsNotUsable(f"Prompt set {version} cannot be used: {' '.join(faults)}")
    return prompt_set
