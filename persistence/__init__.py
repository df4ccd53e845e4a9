"""Validated answers become domain objects, exactly once; what they became can be explained, redone and reverted."""
