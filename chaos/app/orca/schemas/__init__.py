"""The answer schema of a note."""
