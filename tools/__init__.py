"""What `make check` runs besides the published linters; not part of what is installed."""
