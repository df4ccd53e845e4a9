"""REST at /v1: full reviews, single steps, runs and their events."""
