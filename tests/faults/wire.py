"""The faults of a stand-in ERP's wire: what becomes of an honest answer on a bad day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from random import Random

from tests.sources.standin import Reply, told

PATIENCE = 2.0
"""Seconds that the indexer is told to wait for an answer; slower ones are time-outs."""

LYING = ("said to be the last page", "an empty answer")
"""Faults that look like good answers: it is for the ERP to leave out what they leave out."""

SESSION = "session expired"

Fired = Callable[[str, str], None]
"""Hears the kind and the place of each fault that happened."""

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _busy(_honest: Reply, chance: Random) -> Reply:
    return Reply(b"{}", status=429, headers={"Retry-After": chance.choice(("0", "1", "Fri, 01 Jan 2021 00:00:00 GMT"))})


def _broken(status: int) -> Callable[[Reply, Random], Reply]:
    return lambda _honest, _chance: Reply(b"<html>Oops</html>", status=status, headers={"Content-Type": "text/html"})


def _slow(honest: Reply, _chance: Random) -> Reply:
    time.sleep(PATIENCE + 0.3)
    return honest


def _cut_short(honest: Reply, _chance: Random) -> Reply:
    return Reply(raw=(_HEAD % len(honest.body), honest.body[: len(honest.body) // 2]))


def _dripping(honest: Reply, _chance: Random) -> Reply:
    def drops() -> Iterator[bytes]:
        yield _HEAD % len(honest.body)
        for letter in honest.body[: int(PATIENCE * 20)]:
            yield bytes([letter])
            time.sleep(0.1)

    return Reply(raw=drops())


_FAULTS: Mapping[str, Callable[[Reply, Random], Reply]] = {
    "timed out": _slow,
    "slow drip": _dripping,
    "hung up": lambda _honest, _chance: Reply(raw=()),
    "reset": lambda honest, _chance: Reply(raw=(_HEAD % len(honest.body), honest.body[:10]), reset=True),
    "cut short": _cut_short,
    "429": _busy,
    "500": _broken(500),
    "502": _broken(502),
    "503": _broken(503),
    SESSION: lambda _honest, _chance: Reply(b"{}", status=401),
    "not JSON": lambda honest, _chance: Reply(honest.body[: len(honest.body) // 2]),
    "a web page": lambda _honest, _chance: Reply(b"<!doctype html><title>Login</title>", headers={"Content-Type": "text/html"}),
    "too short a Content-Length": lambda honest, _chance: Reply(raw=(_HEAD % (len(honest.body) - 9), honest.body)),
    "gzip garbage": lambda _honest, _chance: Reply(b"\x1f\x8b\x08garbage", headers={"Content-Encoding": "gzip"}),
    "another shape": lambda _honest, _chance: told({"error": "the service is being updated"}),
    **{lie: lambda honest, _chance: honest for lie in LYING},
}


class Wire:
    """The faults in store for one ERP's answers."""

    def __init__(self, source: str, chance: Random, fired: Fired) -> None:
        self._source = source
        self._chance = chance
        self._fired = fired
        self._store: dict[int, str] = {}
        self._asked = 0
        self._lock = threading.Lock()

    def plan(self, faults: int) -> None:
        """So many, among the next requests."""
        with self._lock:
            self._asked = 0
            kinds = self._chance.choices(sorted(_FAULTS), k=faults)
            self._store = dict(zip(self._chance.sample(range(1, 3 + 2 * faults), faults), kinds, strict=True))

    def calm(self) -> None:
        """None any more."""
        with self._lock:
            self._store = {}

    def due(self) -> str:
        """The fault of this request; empty: none."""
        with self._lock:
            self._asked += 1
            kind = self._store.pop(self._asked, "")
        if kind:
            self._fired(f"ERP {kind}", self._source)
        return kind

    def spoilt(self, kind: str, honest: Reply) -> Reply:
        """The answer as the fault leaves it."""
        return _FAULTS[kind](honest, self._chance) if kind else honest
