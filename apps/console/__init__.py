"""The operators' console: the admin site, the dashboard, the navigation, health and metrics."""
