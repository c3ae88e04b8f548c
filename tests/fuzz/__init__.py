"""Seeded nonsense against the real processes: nothing of it may hurt them, or anybody else."""
