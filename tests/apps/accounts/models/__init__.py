"""Tests of `apps/accounts/models/`. Modules that are tested under other names:

counters: apps/accounts/services/test_password_reset
invitations: apps/accounts/services/test_invitations
ownership: test_roles
users: apps/accounts/admin/test_delegation, apps/accounts/api/test_auth
"""
