"""Tests of `persistence/maintenance/`. Modules that are tested under other names:

erasure: persistence/admin/test_erasure, test_retention
repricing: test_retention
"""
