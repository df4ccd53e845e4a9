"""Tests of `persistence/causes/`. Modules that are tested under other names:

cause, frames, remedies: test_analysis
"""
