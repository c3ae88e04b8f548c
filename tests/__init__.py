"""The tests: unit (no I/O), integration (real Postgres), acceptance (real processes), interop."""
