"""Tests of `apps/trainerlab/services/`. Modules that are tested under other names:

board: apps/training/live/test_board
debrief, history: apps/trainerlab/api/test_sessions
import_export, pictures: test_archive
scenarios: apps/trainerlab/api/test_scenarios
"""
