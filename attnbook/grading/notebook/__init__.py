"""One notebook: read, released, compared, put together, run."""
