"""Tests of `orchestration/engine/streaming/`."""
