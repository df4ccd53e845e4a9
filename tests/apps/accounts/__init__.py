"""Tests of `apps/accounts/`. Modules that are tested under other names:

auth, client_ip, decorators, tasks, views: test_throttle, services/test_sign_in, admin/test_delegation
email_links, forms: test_emails, services/test_invitations
error_pages: config/http/test_error_pages
erasure: apps/test_erasure, persistence/maintenance/test_kept
errors, receivers: services/test_invitations, services/test_password_reset
management/commands/seed_demo: admin/test_users
reader_zone: config/http/test_reader_zone
"""
