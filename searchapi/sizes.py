"""How many workers, threads, slots and connections: derived from the cores and from each other, so that none starves another.

slots        answers made at once by all workers: SLOTS_A_CORE x cores, shared among the workers
chairs       requests of a worker that wait for a slot or for another's answer: one an attendant, CHAIRS
threads      slots + chairs + SPARE: with every slot and chair taken, hits, probes and metrics still find a thread
connections  to OpenSearch: slots, and one each for the looks of a hit and of the background, the gaps, readyz;
             to Redis: threads (a hit needs one) and the four background threads
graceful     seconds that a worker which is told to go may finish: the deadline, and a second for the network
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

# An answer waits for OpenSearch half its time and keeps one of its search threads busy meanwhile (it has 1.5 a core and queues 1000): with
# 8 a core the queue is short and no core idles. Fewer would shed the 16 clients of `make bench load` on 2 cores.
SLOTS_A_CORE = 8
# A hundred attendants may wait for one new answer. A thread that waits costs 0.1 MB.
CHAIRS = 100
SPARE = 16
_BACKGROUND = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one worker, and how many of it there are."""

    workers: int
    slots: int
    chairs: int
    threads: int
    opensearch_connections: int
    redis_connections: int
    graceful_timeout: int


def sizes(workers: int, answer_within: float, cores: int | None = None) -> Sizes:
    """The sizes for so many workers on this machine."""
    slots = max(2, SLOTS_A_CORE * (cores or os.cpu_count() or 1) // workers)
    threads = slots + CHAIRS + SPARE
    return Sizes(
        workers=workers,
        slots=slots,
        chairs=CHAIRS,
        threads=threads,
        opensearch_connections=slots + _BACKGROUND,
        redis_connections=threads + _BACKGROUND,
        graceful_timeout=math.ceil(answer_within) + 1,
    )
