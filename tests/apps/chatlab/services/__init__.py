"""Tests of `apps/chatlab/services/`. Modules that are tested under other names:

history: apps/simulation/test_history
pictures: apps/simulation/api/test_images
"""
