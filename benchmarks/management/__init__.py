"""The commands that the measurements start."""
