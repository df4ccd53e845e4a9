"""Retention, dead letters and repricing."""
