"""Tests of `persistence/bulk/`. Modules that are tested under other names:

api_schemas, selection: test_api
lease: test_runs, persistence/exports/test_worker
worker: test_runs
"""
