"""Tests of `persistence/admin/`. Modules that are tested under other names:

base, filters, search: test_chunks, test_dead_letters
bulk_actions: test_bulk_runs
causes: test_dead_letters
exports: persistence/exports/test_worker
menu: test_navigation
operation_forms: test_run_pages, test_bulk_runs
overview_charts: test_overview
retention: persistence/maintenance/test_retention
"""
