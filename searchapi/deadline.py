"""How long a request may still take, from the edge down: every wait and every request to OpenSearch gets what is left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self


class TooLate(Exception):
    """The time for an answer was up before there was one; asking again in a moment may do."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of this machine's monotonic clock."""

    at: float

    @classmethod
    def within(cls, seconds: float) -> Self:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds that are left, more than none; raises TooLate."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TooLate
        return left
