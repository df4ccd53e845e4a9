"""The prompt sections of the feedback calls."""
