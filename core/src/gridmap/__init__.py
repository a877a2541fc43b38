"""Map Python functions onto the batch scheduler a site has."""
