"""Statistics: rollups of finished calls (`aggregation`), figures over them (`figures`), one call's `timeline`;
`added_metrics` takes figures of apps for `/metrics`."""
