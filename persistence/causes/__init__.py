"""Why a result could not be persisted, as facts without content: they are stored with the result, grouped and shown."""
