"""`seed_load`: a database filled for load tests."""
