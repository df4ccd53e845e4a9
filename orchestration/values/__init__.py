"""Values from outside, and what databases can store of them.

Times (`moments`), keys (`uuid_keys`, `generic_refs`), filters of lists (`declared_filters`), columns of rows
(`columns`), text (`plain_text`, `sanitize`, `spreadsheets`, `feature_hashing`), versions of files (`file_formats`) and
JSON (`json_bodies`, `stored_json`, `truncated_json`), and what images, audio and files are (`media_types`,
`content_parts`, `public_urls`). Import from the modules: some define model fields, which code
that only checks a text does not need.
"""
