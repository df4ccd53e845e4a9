"""Runs, personas and prompts in the console."""

from apps.consensus.admin.prompts import PersonaAdmin, PromptSetAdmin
from apps.consensus.admin.runs import RunAdmin

__all__ = ["PersonaAdmin", "PromptSetAdmin", "RunAdmin"]
