from orchestration.components import OutputSchema
from orchestration.decorators import schema


@schema
class NoteOutputSchema(OutputSchema):
    note: str
