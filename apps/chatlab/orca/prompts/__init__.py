"""The prompts of the chat's calls."""
