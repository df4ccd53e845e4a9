"""Tests of `persistence/approval/`. Modules that are tested under other names:

rights, showing: test_decisions
"""
