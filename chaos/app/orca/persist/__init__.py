"""The persistence of notes."""
