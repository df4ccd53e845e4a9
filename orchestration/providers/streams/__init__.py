"""Streams of events: how they are written, read, and put together to the answer that they are pieces of."""
