"""Real processes, started as an administrator starts them."""
