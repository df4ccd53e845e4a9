"""Management commands of the training platform."""
