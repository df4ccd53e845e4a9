"""Tests of `apps/trainerlab/admin/`. Modules that are tested under other names:

import_export: test_scenarios
"""
