"""The handlers of the source documents."""

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from orchestration.types import Response
from persistence.handlers import BasePersistenceHandler, persistence_handler
from tests.seedapp.models import Message
from tests.seedapp.orca.mixins import ChatlabMixin, StandardizedPatientMixin
from tests.seedapp.orca.schemas.patient import PatientInitialOutputSchema, PatientReplyOutputSchema


@persistence_handler
class PatientInitialPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """Links with `link`, where the document calls a method that Django does not have."""

    schema = PatientInitialOutputSchema

    async def persist(self, response: Response) -> Message:
        chunk, created = await self.ensure_idempotent(response)
        if not created and chunk.domain_object:
            return chunk.domain_object
        data = self.schema.model_validate(response.structured_data)
        row = await Message.objects.acreate(
            simulation_id=response.context["simulation_id"],
            content=data.messages[0].content[0].text,
            role="assistant",
            is_from_ai=True,
        )
        self.link(chunk, row)
        return row


@persistence_handler
class PatientReplyPersistence(ChatlabMixin, StandardizedPatientMixin, BasePersistenceHandler):
    """Sets the link on the chunk by hand, as the document does."""

    schema = PatientReplyOutputSchema

    async def persist(self, response: Response) -> Message:
        chunk, created = await self.ensure_idempotent(response)
        if not created and chunk.domain_object:
            return chunk.domain_object
        data = self.schema.model_validate(response.structured_data)
        row = await Message.objects.acreate(
            simulation_id=response.context["simulation_id"],
            content=data.messages[0].content[0].text,
            role="assistant",
            is_from_ai=True,
        )
        chunk.content_type = await sync_to_async(ContentType.objects.get_for_model)(Message)
        chunk.object_id = row.id
        await chunk.asave()
        return row
