"""What Sonnette does on this machine, measured by `python -m bench`; see docs/performance.md."""
