"""The admin pages of runs, personas and prompts."""

from apps.consensus.admin.prompts import PersonaAdmin, PromptSetAdmin
from apps.consensus.admin.runs import RunAdmin

__all__ = ["PersonaAdmin", "PromptSetAdmin", "RunAdmin"]
