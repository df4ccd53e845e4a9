"""Tests of `persistence/approval/`. Modules that are tested under other names:

api_schemas: test_api
figures: test_training, test_api
holding: test_rules
rights, showing: test_decisions
waiting: persistence/admin/approvals/test_listing
assignees: persistence/admin/approvals/test_pages
"""
