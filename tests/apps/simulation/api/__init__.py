"""Tests of `apps/simulation/api/`. Modules that are tested under other names:

event_stream, simulations: test_events, apps/chatlab/test_conversation
feedback, schemas, serializers: apps/simulation/services/test_feedback
"""
