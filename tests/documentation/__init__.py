"""Tests of documentation/: the site and its reference."""
