"""Identity mixins that the labs share."""

from apps.simulation.orca.mixins.identity import FeedbackMixin, SimcoreMixin, StandardizedPatientMixin

__all__ = ["FeedbackMixin", "SimcoreMixin", "StandardizedPatientMixin"]
