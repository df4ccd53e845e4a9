"""Measurements of the engine, the console and the gateway; each module runs with `python -m`."""
