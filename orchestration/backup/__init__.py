"""`manage.py backup` and `manage.py restore`: a copy of the database that proves that it is whole."""
