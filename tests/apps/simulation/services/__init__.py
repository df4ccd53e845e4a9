"""Tests of `apps/simulation/services/`. Modules that are tested under other names:

known_facts: apps/trainerlab/api/test_sessions
lifecycle: test_feedback, apps/simulation/api/test_events
patient_metadata: apps/chatlab/orca/test_orders
submit: apps/chatlab/test_conversation
"""
