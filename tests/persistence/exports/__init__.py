"""Tests of `persistence/exports/`. Modules that are tested under other names:

formats, registry: test_cells, test_worker
requests, resources: test_worker
"""
