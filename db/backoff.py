"""How long to wait before the next try: doubling, capped, jittered so that no two come at once."""

import random


class Backoff:
    """Waits of base_s, 2 base_s, ... up to cap_s, each times a random factor of 0.5 to 1."""

    def __init__(self, base_s: float, cap_s: float, rng: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait now; the next answer is longer."""
        # 1 << 30 is past any cap; without a bound the power itself would grow for ever.
        wait_s = min(self._base_s * (1 << min(self._tries, 30)), self._cap_s)
        self._tries += 1
        return wait_s * self._rng.uniform(0.5, 1)

    def reset(self) -> None:
        """It worked: begin with base_s again."""
        self._tries = 0
