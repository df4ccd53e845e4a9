"""Tests of `apps/gateway/admin/`. Modules that are tested under other names:

keys: test_interactions, apps/accounts/admin/test_delegation
"""
