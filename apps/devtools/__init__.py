"""Tools for development: `make run`, and filling a database for load tests. Not needed in production."""
