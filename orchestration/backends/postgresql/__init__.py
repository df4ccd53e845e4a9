"""PostgreSQL, as django.db.backends.postgresql."""
