"""The tests' settings of a machine whose files are in a bucket."""

from tests.settings import *  # noqa: F403 - the same in all else
from tests.settings import STORAGES

STORAGES = {**STORAGES, "default": {"BACKEND": "tests.bucket.BucketStorage"}}
