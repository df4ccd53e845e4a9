"""Tests of `config/`. Modules that are tested under other names:

mailers: test_env
orca: orchestration/components/test_lifecycle
"""
