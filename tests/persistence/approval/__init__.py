"""Tests of `persistence/approval/`. Modules that are tested under other names:

holding: test_rules
rights, showing: test_decisions
"""
