"""Tests of `orchestration/providers/azure/`. Modules that are tested under other names:

entra: test_provider
"""
