"""Tests of `apps/simulation/clinical/`. Modules that are tested under other names:

vocabulary, words: test_catalogue, test_orders
"""
