"""Tests of `persistence/causes/`. Modules that are tested under other names:

cause, database_errors, frames, remedies: test_analysis
"""
