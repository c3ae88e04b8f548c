"""The fault suite: real processes, real faults, and a checker of what every client was told."""
