"""How a campaign went: which faults happened how often, and in what the index differs from the ERPs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.shelf import Story


class Tally:
    """Counts the faults that happened, by kind, and tells the story of each."""

    def __init__(self, story: Story) -> None:
        self.counts: Counter[str] = Counter()
        self._story = story
        self._lock = threading.Lock()

    def __call__(self, kind: str, where: str = "") -> None:
        """One more, at this source or, without one, at OpenSearch or the indexer."""
        with self._lock:
            self.counts[kind] += 1
        self._story.tell(where, "", f"FAULT {kind}")

    @property
    def total(self) -> int:
        """All faults so far."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One way in which the index differs from an ERP: lost, stale, resurrected, duplicated, not listed, listed in vain."""

    kind: str
    id: str
    told: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a campaign ended. `complaints` are processes that broke, stalled or exited as they should not."""

    seed: int
    faults: Mapping[str, int]
    changes: Mapping[str, int]
    rounds: int
    leaflets: int
    rejected: int
    seconds: float
    mismatches: tuple[Mismatch, ...]
    complaints: tuple[str, ...]
    stories: str = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether index and ERPs were the same each time, and nothing broke."""
        return not self.mismatches and not self.complaints

    def __str__(self) -> str:
        found = Counter(mismatch.kind for mismatch in self.mismatches)
        total = sum(self.faults.values())
        lines = [f"{'fault':<44}{'times':>6}", *(f"{kind:<44}{count:>6}" for kind, count in sorted(self.faults.items()))]
        lines += ["", f"{'change in an ERP':<44}{'times':>6}", *(f"{kind:<44}{count:>6}" for kind, count in sorted(self.changes.items()))]
        lines.append(
            f"\nseed {self.seed}: {total} faults of {len(self.faults)} kinds and {sum(self.changes.values())} changes in {self.rounds} "
            f"rounds, {self.seconds:.0f} s; {self.leaflets} leaflets, {self.rejected} rejected; {found['lost']} lost, "
            f"{found['stale']} stale, {found['resurrected']} resurrected, {found['duplicated']} duplicated, "
            f"{found['not listed'] + found['listed in vain']} wrongly rejected or not, {len(self.complaints)} complaints: "
            f"index {'==' if not self.mismatches else '!='} ERPs"
        )
        lines += [f"  {m.kind}: {m.id}: {m.told}" for m in self.mismatches[:20]]
        lines += [f"  {complaint}" for complaint in self.complaints]
        return "\n".join(lines) + self.stories
