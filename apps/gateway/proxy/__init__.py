"""A request for a model: its lifecycle, and how the answer is forwarded."""
