"""Tests of `orchestration/providers/`. Modules that are tested under other names:

base, credentials: test_registry, test_keys
content: conformance/test_suite
dialect, simulated_answers: simulator/test_server
errors: test_errors_over_http
passthrough: test_keys
wire: openai/test_wire, anthropic/test_wire, gemini/test_wire
"""
