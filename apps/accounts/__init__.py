"""Accounts: users, roles, API keys, invitations, sign-in and rate limits."""
