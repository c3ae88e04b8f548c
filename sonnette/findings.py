"""What doctor found of one thing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `good` None where it is neither in order nor out of it.

    Not `looked_at`: what would have been asked gave no answer, and `text` says why.
    """

    name: str
    good: bool | None
    text: str
    looked_at: bool = True

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAILED", None: "-"}[self.good]
        return f"{mark:<7} {self.name}: {self.text}"
