"""The services of consensus: a run's steps, and starting, retrying, cancelling and reprocessing it.

Called a workflow, because that is the field's word for steps that follow from each other's results.
"""
