"""Stored results again: dry run, reprocess, recreate and revert, which are free, and rerun, which asks the model."""
