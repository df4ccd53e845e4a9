"""`seed_demo`: demo users and an API key."""
