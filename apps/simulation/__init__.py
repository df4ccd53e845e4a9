"""A simulation: its case, its state, metadata, pictures, events and feedback. The labs build on it."""
