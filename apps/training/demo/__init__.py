"""The cases of the demo, and the sessions that it plays."""
