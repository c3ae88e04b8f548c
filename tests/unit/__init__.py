"""Pure files: no I/O, no clock, no event loop."""
