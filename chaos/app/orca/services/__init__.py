"""The service that asks for a note."""
