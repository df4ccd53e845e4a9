"""The components of the calls that write notes."""
