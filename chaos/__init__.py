"""Chaos tests: real clusters, random kills, and four records of a run that must agree. See `python -m chaos --help`."""
