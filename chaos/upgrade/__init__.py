"""`make upgrade-test`: an older version and this one, side by side on one PostgreSQL, with calls in flight."""
