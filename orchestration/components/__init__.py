"""Components: what authors declare (services, schemas, prompt sections) and how it is found, registered and wired.

Authors import the names below; `orchestration.decorators` registers their classes.
"""

from orchestration.components.approval import Approval, AtDeadline
from orchestration.components.identity import DjangoIdentityMixin, Identity
from orchestration.components.prompts import PromptSection, as_data
from orchestration.components.schemas import OutputSchema
from orchestration.components.tools import Tool, ToolContext, ToolLimits

__all__ = [
    "Approval",
    "AtDeadline",
    "DjangoIdentityMixin",
    "Identity",
    "OutputSchema",
    "PromptSection",
    "Tool",
    "ToolContext",
    "ToolLimits",
    "as_data",
]
