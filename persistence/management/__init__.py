"""The management commands of persistence."""
