"""Tests of `apps/devtools/`. Modules that are tested under other names:

copy_writer, day_copies, load_rows, load_services: management/commands/test_seed_load
smoke: test_runner, integration/test_main_job
"""
