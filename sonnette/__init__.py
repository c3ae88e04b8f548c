"""The command line and `run`: the one place that knows every process."""
