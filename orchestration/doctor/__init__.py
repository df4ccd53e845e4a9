"""`manage.py doctor`: what is wrong with a running installation, and how to mend it."""
