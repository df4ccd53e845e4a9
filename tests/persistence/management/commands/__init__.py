"""Tests of `persistence/management/commands/`. Modules that are tested under other names:

export_approvals: persistence/approval/test_training
mail_approvals: persistence/approval/test_mail
prune, reprice, reprocess, schema_coverage: persistence/maintenance/test_retention
replay_persistence: test_drain_persistence
"""
