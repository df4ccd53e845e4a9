"""Tests of `apps/trainerlab/`. Modules that are tested under other names:

erasure: apps/test_erasure
models/assignments, models/scenarios: api/test_scenarios
models/sessions: api/test_sessions
tasks: services/test_previews
"""
