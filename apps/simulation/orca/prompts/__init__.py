"""The prompts of the feedback calls."""
