"""The durable engine: from the row of a call to its validated answer.

`queue` takes calls in and gives them to workers, `throttling` decides which may go out, `leases` says who holds them,
`execution` runs one, and `worker` runs many in supervised processes.
"""
