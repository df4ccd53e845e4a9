"""Why calls fail, in words without content: what is known of each error code, and how a call differs from others."""
