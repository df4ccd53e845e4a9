"""Tests of `orchestration/providers/simulator/`. Modules that are tested under other names:

described_limits: orchestration/providers/test_schema_subset
dialects, hashing_embedder, request_log: test_server
filler_text, model, prompt_reader: test_responder
"""
