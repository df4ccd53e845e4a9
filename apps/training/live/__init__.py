"""Live pages: the parts that a page refreshes while it is open."""
