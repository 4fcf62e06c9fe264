"""Trace ids as W3C's Trace Context has them: taken over where one came, made where none did, passed on with all that is asked for it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from searchapi.metrics import Metrics

# Version 00. A later version's first four fields are to be read as this one's; ff is no version.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """One request within whatever it is part of. Nothing in it is the caller's words: only hexadecimal digits."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> Trace:
        """A step of it."""
        return Trace(self.trace_id, secrets.token_hex(8), self.sampled)


# The request that this thread answers; None for what the process does for itself.
answering: ContextVar[Trace | None] = ContextVar("answering", default=None)


def trace(traceparent: str) -> Trace:
    """The trace of a request that came with this header; a new one where the header is none."""
    found = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    if found is None or (found[1] == "00" and found[5]):
        new = secrets.token_hex(24)
        return Trace(new[:32], new[32:], sampled=False)
    return Trace(found[2], secrets.token_hex(8), sampled=bool(int(found[4], 16) & 1))


class EngineWatch:
    """Times what is asked of OpenSearch, and says for which request it is asked (`opensearch.client.Watch`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def headers(self) -> Mapping[str, str]:
        """The trace of the request that this thread answers; nothing for what the process asks for itself."""
        own = answering.get()
        return {"traceparent": str(own.child()), "X-Opaque-Id": own.trace_id} if own else {}

    def took(self, seconds: float, outcome: str) -> None:
        """Counts it: for a request, or for what the process asks for itself."""
        self._metrics.asked_engine("request" if answering.get() else "upkeep", outcome).observe(seconds)
