"""Start runners in containers and with modules."""
