"""The prompt sections of the consensus calls."""
