"""Tests of `apps/gateway/`. Modules that are tested under other names:

asgi, errors: test_any_shape, test_clients, api/test_chat
conf: routing/test_aliases
auth, models/keys: metering/test_quotas
large_body_server: http/test_large_bodies
models/cache: cache/test_store
models/interactions: recording/test_flush
tasks: maintenance/test_retention
"""
