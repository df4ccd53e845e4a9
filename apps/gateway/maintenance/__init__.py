"""Keeps records in order: key rotation, retention, requests of dead processes."""
