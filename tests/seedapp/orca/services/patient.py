"""The services whose results the documents' handlers and codecs take."""

from orchestration.decorators import service
from orchestration.services import DjangoBaseService
from tests.seedapp.orca.mixins import ChatlabMixin, FeedbackMixin, SimcoreMixin, StandardizedPatientMixin

PLAN = ("prompts.seedcore.default.PatientNameSection",)


@service
class GeneratePatientInitial(ChatlabMixin, StandardizedPatientMixin, DjangoBaseService):
    required_context_keys = ("simulation_id",)
    prompt_plan = PLAN


@service
class GeneratePatientReply(ChatlabMixin, StandardizedPatientMixin, DjangoBaseService):
    required_context_keys = ("simulation_id",)
    prompt_plan = PLAN


@service
class GenerateOpening(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateResults(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateEncounter(DjangoBaseService):
    prompt_plan = PLAN


@service(group="announced")
class GenerateAnnouncedEncounter(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateSafe(DjangoBaseService):
    prompt_plan = PLAN


@service
class GeneratePatientFeedback(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateHotwashInitialResponse(SimcoreMixin, FeedbackMixin, DjangoBaseService):
    """Overrides what it does: the override's value is the call's result."""

    required_context_keys = ("simulation_id",)

    async def execute(self, simulation_id: int, **kwargs) -> dict:
        return {"overall_feedback": f"You did well in {simulation_id}."}
