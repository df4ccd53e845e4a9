"""Pages for machines: health checks for load balancers, and metrics for Prometheus."""
