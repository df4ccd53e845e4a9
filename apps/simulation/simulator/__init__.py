"""Responders of the simulator: it answers as a patient, an examiner and a laboratory. Registered by a setting."""
