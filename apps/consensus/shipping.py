"""Installs the prompts that come with the product, and finds the version that new runs use."""

from __future__ import annotations

from typing import Any

from django.db import connections, router, transaction

from apps.consensus import shipped
from apps.consensus.conf import consensus_settings
from apps.consensus.errors import PromptsNotUsable
from apps.consensus.models import Persona, PromptSet


def install_shipped() -> PromptSet:
    """The shipped version, created when it is not there; an existing one is left as it is."""
    with transaction.atomic():
        prompt_set, created = PromptSet.objects.get_or_create(
            version=shipped.SHIPPED_VERSION,
            defaults={
                "expand_instruction": shipped.EXPAND_INSTRUCTION,
                "review_instruction": shipped.REVIEW_INSTRUCTION,
                "generic_instruction": shipped.GENERIC_INSTRUCTION,
            },
        )
        if created:
            for position, persona in enumerate(shipped.PERSONAS, 1):
                Persona.objects.create(
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
    if router.allow_migrate_model(using, PromptSet):
        tables = connections[using].introspection.table_names()
        if Persona._meta.db_table in tables:
            install_shipped()


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
