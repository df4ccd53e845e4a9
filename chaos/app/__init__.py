"""A small app whose calls write notes; the chaos runs use it."""
