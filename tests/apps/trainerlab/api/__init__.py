"""Tests of `apps/trainerlab/api/`. Modules that are tested under other names:

assignments, permissions, serializers: test_scenarios, test_sessions
"""
