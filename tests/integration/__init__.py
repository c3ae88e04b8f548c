"""Real Postgres, real sockets, in this process."""
