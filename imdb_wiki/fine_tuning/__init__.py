"""On from trained weights, on own faces."""
