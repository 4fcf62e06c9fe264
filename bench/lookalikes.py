"""How long a search waits to know which of 10,000 names could be taken for its drug's; the first time, and again.

The peer weighs each pair of names by itself, with the same library.
"""

from __future__ import annotations

import random
import statistics
import time

from rapidfuzz.distance import OSA

from bench.names import made_up
from leaflets.names import phonetic_keys
from opensearch.synonyms import synonyms
from searchapi.lookalikes import Listed, LookAlikes
from searchapi.vocabulary import Drug

NAMES = 10_000
DRUGS = 500
# In milliseconds: what a search may wait for it.
LIMIT = 2.0


def main() -> None:
    """Prints the line."""
    chance = random.Random(7)
    known = made_up(chance, NAMES)
    started = time.perf_counter()
    lookalikes = LookAlikes(known, synonyms(), Listed())
    made = time.perf_counter() - started
    drugs = chance.sample([drug for _, drug in sorted(known.drugs.items())], DRUGS)
    first, again = (statistics.quantiles([_milliseconds(lookalikes, drug) for drug in drugs], n=20)[-1] for _ in range(2))
    sounds = {name: (phonetic_keys(name) or (name,))[0] for name in known.single_names}
    peer = statistics.median(_one_by_one(drug.name, sounds) for drug in drugs[:20])
    print(
        f"lookalikes: p95 {first:.2f} ms, again {again:.3f} ms for {DRUGS} drugs among {len(known.drugs)} names (made ready in the "
        f"background in {made:.2f} s); limit {LIMIT:.0f} ms, p95 is {first / LIMIT:.2f} of it; pair by pair {peer:.1f} ms = "
        f"{peer / first:.0f} x ours"
    )


def _milliseconds(lookalikes: LookAlikes, drug: Drug) -> float:
    started = time.perf_counter()
    lookalikes.of(drug)
    return (time.perf_counter() - started) * 1000


def _one_by_one(name: str, sounds: dict[str, str]) -> float:
    started = time.perf_counter()
    mine = (phonetic_keys(name) or (name,))[0]
    max(OSA.normalized_similarity(name, other) + OSA.normalized_similarity(mine, sound) for other, sound in sounds.items())
    return (time.perf_counter() - started) * 1000
