"""Tests of `apps/simulation/`. Modules that are tested under other names:

admin/feedback, admin/simulations: apps/chatlab/admin/test_messages
erasure: apps/test_erasure
errors, receivers, models/feedback, orca/persist/feedback, orca/services/feedback: services/test_feedback
orca/prompts/sections/feedback: services/test_feedback
fields: apps/chatlab/api/test_messages
models/cases: clinical/test_findings, apps/training/views/test_scenarios
models/events: api/test_events
models/images: api/test_images
models/metadata: apps/chatlab/test_conversation
models/simulations: services/test_feedback, services/test_failed_calls
orca/schemas/shared: apps/chatlab/orca/test_reprocess
token_budget: apps/chatlab/orca/test_prompts
"""
