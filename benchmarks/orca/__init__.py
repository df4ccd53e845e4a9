"""The components of the calls that are measured."""
