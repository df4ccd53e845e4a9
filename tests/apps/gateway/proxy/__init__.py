"""Tests of `apps/gateway/proxy/`. Modules that are tested under other names:

answer_json: test_assembly
content_checks: test_bad_input
asking: test_forwarding, apps/gateway/routing/test_routes
request_checks: apps/gateway/api/test_chat, apps/gateway/test_any_shape
responses: apps/gateway/api/test_responses
typed_events: test_messages, apps/gateway/api/test_responses
"""
