from tests.seedapp.orca.mixins.identity import ChatlabMixin, FeedbackMixin, SimcoreMixin, StandardizedPatientMixin

__all__ = ["ChatlabMixin", "FeedbackMixin", "SimcoreMixin", "StandardizedPatientMixin"]
