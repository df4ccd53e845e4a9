"""Components that the labs share."""
