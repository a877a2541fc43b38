"""Mail about jobs that failed and maps that are complete; an observer."""
