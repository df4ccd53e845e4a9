"""System checks of settings and components, of the cluster and of the database; `AppConfig.ready()` registers them."""
