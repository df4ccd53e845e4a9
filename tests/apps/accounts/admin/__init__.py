"""Tests of `apps/accounts/admin/`. Modules that are tested under other names:

api_keys, invitations: test_delegation, apps/accounts/services/test_invitations
"""
