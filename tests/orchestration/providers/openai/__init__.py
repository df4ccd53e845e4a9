"""Tests of `orchestration/providers/openai/`. Modules that are tested under other names:

dialects, fake_payloads: test_wire, orchestration/providers/simulator/test_server
provider: test_wire, orchestration/providers/test_keys
chat_assembly: apps/gateway/proxy/test_assembly
response_assembly, response_events: apps/gateway/api/test_responses
"""
