"""Services whose answers wait for a person, or for their deadline."""

from datetime import timedelta

from chaos.app.orca.prompts.sections.note import NoteSection
from chaos.app.orca.schemas.note import NoteOutputSchema
from orchestration.components import Approval, AtDeadline
from orchestration.decorators import service
from orchestration.services import DjangoBaseService


@service
class ApprovedNote(DjangoBaseService):
    """Every note waits for a person."""

    required_context_keys = ("number",)
    schema = NoteOutputSchema
    prompt_plan = (NoteSection,)
    approval = Approval(always=True)


@service
class OverdueNote(DjangoBaseService):
    """Every note waits for its deadline, at which a worker approves it."""

    required_context_keys = ("number",)
    schema = NoteOutputSchema
    prompt_plan = (NoteSection,)
    approval = Approval(always=True, deadline=timedelta(seconds=1), at_deadline=AtDeadline.APPROVE)
