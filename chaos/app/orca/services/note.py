from chaos.app.orca.prompts.sections.note import NoteSection
from chaos.app.orca.schemas.note import NoteOutputSchema
from orchestration.decorators import service
from orchestration.services import DjangoBaseService


@service
class TakeNote(DjangoBaseService):
    """One short question, whose answer becomes one row."""

    required_context_keys = ("number",)
    schema = NoteOutputSchema
    prompt_plan = (NoteSection,)


@service
class DictateNote(DjangoBaseService):
    """The same as a stream."""

    required_context_keys = ("number",)
    schema = NoteOutputSchema
    prompt_plan = (NoteSection,)
    stream = "note"
