"""Exports: what can be exported, in which formats, in parts that survive a kill."""
