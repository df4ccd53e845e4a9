from orchestration.decorators import schema
from orchestration.schemas import OutputSchema


@schema
class NoteOutputSchema(OutputSchema):
    note: str
