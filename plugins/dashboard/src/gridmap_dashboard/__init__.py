"""A live web page of a run, and its numbers as OpenMetrics: an observer of gridmap."""
