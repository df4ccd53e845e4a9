"""Tests of `apps/consensus/admin/`. Modules that are tested under other names:

import_export: test_runs
"""
