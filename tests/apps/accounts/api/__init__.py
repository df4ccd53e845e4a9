"""Tests of `apps/accounts/api/`. Modules that are tested under other names:

invitations, serializers: apps/accounts/services/test_invitations
passwords: apps/accounts/services/test_password_reset
permissions, schemas: test_auth, test_scopes
"""
