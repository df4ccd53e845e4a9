"""Tests of `apps/consensus/admin/`. Modules that are tested under other names:

import_export, prompts: test_runs
"""
