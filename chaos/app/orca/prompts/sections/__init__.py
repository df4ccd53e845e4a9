"""The sections of the prompts."""
