"""Namespaces and groups of the simulation's components."""

from orchestration.components import DjangoIdentityMixin


class SimcoreMixin(DjangoIdentityMixin):
    namespace = "simcore"


class StandardizedPatientMixin(DjangoIdentityMixin):
    group = "standardized_patient"


class FeedbackMixin(DjangoIdentityMixin):
    group = "feedback"
