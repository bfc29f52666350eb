"""From results to all that is read."""
