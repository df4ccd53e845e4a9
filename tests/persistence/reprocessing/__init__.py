"""Tests of `persistence/reprocessing/`. Modules that are tested under other names:

reports: test_reprocess
rerun_costs: persistence/admin/test_pairs
touched_rows: test_recreate
withdrawal: apps/chatlab/orca/test_reprocess
"""
