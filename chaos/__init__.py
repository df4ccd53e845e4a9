"""Proof under fire: real clusters, random kills, and four books that must agree. See `python -m chaos --help`."""
