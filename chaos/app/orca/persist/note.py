from chaos.app.models import ChaosRow
from chaos.app.orca.schemas.note import NoteOutputSchema
from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler


@persistence_handler
class NotePersistence(BasePersistenceHandler):
    schema = NoteOutputSchema

    def persist(self, response: Response) -> ChaosRow:
        data = self.schema.model_validate(response.structured_data)
        return ChaosRow.objects.create(
            call_id=response.call_id,
            number=response.context["number"],
            note=data.note,
            provider_response_id=response.provider_response_id or "",
        )
