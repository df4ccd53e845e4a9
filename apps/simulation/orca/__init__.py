"""The components of feedback, and what the labs share."""
