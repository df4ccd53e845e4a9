"""REST about calls: submitting, reading, operating, streams of events."""
