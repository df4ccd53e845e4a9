"""The prompts of the model calls."""
