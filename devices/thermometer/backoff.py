"""How long to wait before the next try."""

from __future__ import annotations

import random

LONGEST_RETRY_AFTER = 24 * 3600.0
"""Seconds. A server that asks for more is believed to have made a mistake: a device must not fall silent for good."""
_SHORTEST = 0.5


class Backoff:
    """Exponential back-off with full jitter.

    Full jitter (any wait between nothing and the ceiling is equally likely) is what spreads a thousand devices that
    all lost the same server at the same moment; a fixed or slightly varied wait brings them back together.
    """

    def __init__(self, rng: random.Random, *, base: float, cap: float) -> None:
        """`base` and `cap` are the first and the highest ceiling in seconds; `rng` is the source of jitter."""
        self._rng = rng
        self._base = base
        self._cap = cap
        self.failures = 0
        """Failures since it last worked."""

    def next(self, *, retry_after: float | None = None) -> float:
        """Count a failure and return the seconds to wait.

        With `retry_after` (seconds, from the server's answer) the wait is never shorter than that and up to a quarter
        longer, because everybody else was told the same number.
        """
        self.failures += 1
        if retry_after is not None:
            asked = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
            return asked + self._rng.uniform(0.0, max(1.0, asked / 4))
        # 2**30 is far above any cap; without a limit the power would overflow after a thousand failures.
        ceiling = min(self._cap, self._base * 2.0 ** min(self.failures - 1, 30))
        return max(_SHORTEST, self._rng.uniform(0.0, ceiling))

    def reset(self) -> None:
        """Forget the failures: it worked."""
        self.failures = 0
