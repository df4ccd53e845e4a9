"""The conformance suite: what every provider must do, as tests that a test module subclasses."""
