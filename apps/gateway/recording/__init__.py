"""Records every request.

`batch_writer` collects the `operations` of requests and hands them to `flush`, which locks the keys, lets `decisions`
grant and charge, and writes, in a `batch_transaction` of two round trips. All SQL is in `statements`.
"""
