"""The campaign: leaflets change in six ERPs while everything fails, and at the end the index holds what the ERPs hold.

    python -m tests.faults.campaign [--faults 3000] [--seed 7]        `make faults`

    round after round:  ERPs change, faults are set, one or two `indexer` processes work, are killed, stopped, run beside each other
    now and then:       faults off, one quiet `indexer sync --full`, and the index is compared with every ERP

Everything random comes from the seed. Threads and processes race as they do, so a seed gives the same kinds of faults and changes, not the
same moments; what a comparison finds is told with each leaflet's story.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.faults import oracle
from tests.faults.house import House
from tests.faults.rounds import Round, bag
from tests.faults.verdict import Mismatch, Verdict

BETWEEN = 250
"""Faults between two comparisons: few enough that a mismatch is near its cause."""

TOLD = 5
"""Leaflets whose story is printed."""


def campaign(home: Path, seed: int, faults: int, told: Callable[[str], None] = lambda _: None) -> Verdict:
    """Rounds until so many faults happened and each kind of round was there, or until index and ERPs differ; `told` hears how far it is."""
    started = time.monotonic()
    with ExitStack() as stack:
        house = House(home, seed, stack)
        rounds: list[Round] = []
        count = compared = 0
        found: tuple[Mismatch, ...] = ()
        while not found and (house.tally.total < faults or rounds):
            rounds = rounds or bag(house)
            rounds.pop()(house)
            house.ask_the_desk()
            count += 1
            told(f"{time.monotonic() - started:6.0f} s  {count} rounds, {house.tally.total} faults, {len(house.complaints)} complaints")
            if house.tally.total - compared >= BETWEEN:
                found, compared = _compared(house), house.tally.total
        if house.tally.total > compared:
            found = _compared(house)
        return Verdict(
            seed=seed,
            faults=dict(house.tally.counts),
            changes=dict(sum((erp.shelf.changed for erp in house.erps), Counter())),
            rounds=count,
            leaflets=len(oracle.held(house.client)),
            rejected=sum(len(erp.shelf.unreadable()) for erp in house.erps),
            seconds=time.monotonic() - started,
            mismatches=found,
            complaints=tuple(house.complaints),
            stories="".join(_story(house, mismatch) for mismatch in found[:TOLD]),
        )


def _compared(house: House) -> tuple[Mismatch, ...]:
    """Faults off, a quiet sync of everything, and the index beside what the ERPs hold; then another that must have nothing to write."""
    house.story.tell("", "", "faults off: a quiet sync")
    if house.quiet_sync() is None:
        return ()
    found = tuple(oracle.mismatches(house.erps, oracle.held(house.client), house.rejected()))
    written = sum(one.written + one.withdrawn for one in house.quiet_sync() or ())
    if written:
        house.complaints.append(f"a second quiet sync wrote {written} leaflets")
    house.complaints += oracle.leftovers(house.client)
    return found


def _story(house: House, mismatch: Mismatch) -> str:
    source, code, *_ = mismatch.id.split(":")
    return f"\n\n  the story of {mismatch.id} ({mismatch.kind}):\n{house.story.of(source, code)}"


def main() -> None:
    """Runs one, prints its table, and exits 1 where index and ERPs differ or something broke."""
    parser = argparse.ArgumentParser(description="The fault campaign: prints a table and exits 1 where the index differs from the ERPs.")
    parser.add_argument("--faults", type=int, default=3000, help="how many faults")
    parser.add_argument("--seed", type=int, default=None, help="the seed of a campaign that is to be repeated")
    told = parser.parse_args()
    seed = told.seed if told.seed is not None else int(time.time()) % 100_000
    print(f"seed {seed}", flush=True)
    # So that the servers end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as home:
        verdict = campaign(Path(home), seed, told.faults, lambda line: print(line, file=sys.stderr, flush=True))
    print(verdict)
    sys.exit(0 if verdict.passed else 1)


if __name__ == "__main__":
    main()
