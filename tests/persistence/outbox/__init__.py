"""Tests of `persistence/outbox/`. Modules that are tested under other names:

announcements, outcomes: test_failures, test_batches
charging: test_failures, test_groups
gate: persistence/approval/test_rules
group_rows, statement_watch, work: test_groups
"""
