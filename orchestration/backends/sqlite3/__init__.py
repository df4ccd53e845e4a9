"""SQLite, as django.db.backends.sqlite3."""
