"""A run folder and what keeps it whole: the lock, the metrics file, files written at once, the request to stop."""
