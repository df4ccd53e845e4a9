"""The prompts of the note calls."""
