"""Wiring of django-q: its brokers, its scheduler, and what its workers may run."""
