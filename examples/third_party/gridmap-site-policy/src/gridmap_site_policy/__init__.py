"""A site's rules for gridmap's runs, and its audit of them, whatever the backend."""
