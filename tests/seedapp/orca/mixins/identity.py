"""The documents' mixins, under namespaces of their own: the product uses the documents'."""

from orchestration.components import DjangoIdentityMixin


class ChatlabMixin(DjangoIdentityMixin):
    namespace = "seedlab"


class SimcoreMixin(DjangoIdentityMixin):
    namespace = "seedcore"


class StandardizedPatientMixin(DjangoIdentityMixin):
    group = "standardized_patient"


class FeedbackMixin(DjangoIdentityMixin):
    group = "feedback"
