"""The engine's management commands, and what they have in common."""
