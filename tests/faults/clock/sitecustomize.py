"""Found by a Python whose PYTHONPATH names this folder: its clock is off by CLOCK_STEP seconds, as that of a host with a dead battery."""

from __future__ import annotations

import datetime as dt
import os
import time

_STEP = float(os.environ["CLOCK_STEP"])
_true_time = time.time


class _Shifted(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> _Shifted:
        return cls.fromtimestamp(_true_time() + _STEP, tz)


dt.datetime = _Shifted  # type: ignore[misc]  # before anybody imports it
time.time = lambda: _true_time() + _STEP
