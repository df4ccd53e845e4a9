"""Tests of `persistence/tracking/`. Modules that are tested under other names:

hand_written_sql: persistence/reprocessing/test_reprocess
object_links, recorder, row_changes: test_orm_capture, test_keys
snapshots: test_snapshot_values
"""
