"""Tests of `apps/gateway/routing/`. Modules that are tested under other names:

health, targets: test_routes
"""
