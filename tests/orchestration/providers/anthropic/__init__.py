"""Tests of `orchestration/providers/anthropic/`. Modules that are tested under other names:

dialect, provider: test_wire, orchestration/providers/conformance/test_suite
message_assembly: apps/gateway/proxy/test_messages
message_events: apps/gateway/proxy/test_messages, orchestration/providers/simulator/test_server
"""
