"""Streams of durable calls: workers tell what a model says while it says it, and listeners are told."""
