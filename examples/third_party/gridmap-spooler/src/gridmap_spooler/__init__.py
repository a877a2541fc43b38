"""A gridmap backend for task-spooler, the queue of one machine."""
