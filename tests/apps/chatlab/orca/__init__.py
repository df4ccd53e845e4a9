"""Tests of `apps/chatlab/orca/`. Modules that are tested under other names:

persist/patient: apps/chatlab/test_conversation, test_reprocess
persist/reported_results, persist/test_results: test_orders
prompts/sections/conversation, prompts/sections/patient, prompts/sections/test_results: test_prompts
schemas/patient: test_reprocess
"""
