"""Products on top of the framework, one Django app each."""
