"""Words that enough different people searched for and that the index does not know: candidates for synonyms.txt.

One document a word and day, written by searchapi once a word is past its threshold of askers, read by `indexer gaps`. Who asked is
nowhere; a word below the threshold is nowhere either (`searchapi/gaps.py`, docs/adr/0008-gaps.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from opensearchpy import OpenSearch, helpers
from opensearchpy.exceptions import NotFoundError

from opensearch.generations import Indices, prepare_gaps


@dataclass(frozen=True, slots=True)
class NearName:
    """A name that was suggested for the word, and why: spelling or phonetic."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class GapDay:
    """One day of a word: how often it was searched for, how many had asked for it till then, and the names suggested, best first."""

    word: str
    day: date
    searches: int
    askers: int
    nearest: tuple[NearName, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A word over all its days. At least `askers` different people asked for it."""

    word: str
    searches: int
    askers: int
    first_seen: date
    last_seen: date
    nearest: tuple[NearName, ...]

    @property
    def rule(self) -> str:
        """The line of synonyms.txt that one name suggests by standing out: it alone is near, or it alone sounds alike. Else empty."""
        alike = [near for near in self.nearest if near.why == "phonetic"]
        standing = self.nearest if len(self.nearest) == 1 else alike if len(alike) == 1 and alike[0] is self.nearest[0] else ()
        return f"{self.word} => {standing[0].name}" if standing else ""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps of one installation."""

    client: OpenSearch
    indices: Indices

    def write(self, days: Iterable[GapDay]) -> None:
        """Puts each day of a word in the place of what was known of it."""
        prepare_gaps(self.client, self.indices)
        helpers.bulk(self.client, [{"_index": self.indices.gaps, "_id": f"{one.day} {one.word}", "_source": _told(one)} for one in days])

    def all(self, since: date) -> tuple[Gap, ...]:
        """Every gap of the days since then, the most searched for first."""
        query = {"query": {"range": {"day": {"gte": since.isoformat()}}}}
        found: dict[str, list[GapDay]] = defaultdict(list)
        try:
            self.client.indices.refresh(index=self.indices.gaps)
            for hit in helpers.scan(self.client, index=self.indices.gaps, query=query):
                day = _day(hit["_source"])
                found[day.word].append(day)
        except NotFoundError:
            return ()
        return tuple(sorted((_gap(days) for days in found.values()), key=lambda gap: (-gap.searches, gap.word)))

    def forget(self, before: date) -> None:
        """Drops all days before this one."""
        query = {"query": {"range": {"day": {"lt": before.isoformat()}}}}
        self.client.delete_by_query(index=self.indices.gaps, body=query, params={"conflicts": "proceed", "ignore_unavailable": "true"})


def _gap(days: list[GapDay]) -> Gap:
    days.sort(key=lambda day: day.day)
    first, last = days[0], days[-1]
    return Gap(last.word, sum(d.searches for d in days), max(d.askers for d in days), first.day, last.day, last.nearest)


def _told(one: GapDay) -> dict[str, object]:
    return {
        "word": one.word,
        "day": one.day.isoformat(),
        "searches": one.searches,
        "askers": one.askers,
        "nearest": [{"name": near.name, "why": near.why} for near in one.nearest],
    }


def _day(told: dict[str, object]) -> GapDay:
    nearest = tuple(NearName(**near) for near in told["nearest"])  # type: ignore[attr-defined]  # our own strict mapping holds these
    return GapDay(str(told["word"]), date.fromisoformat(str(told["day"])), int(str(told["searches"])), int(str(told["askers"])), nearest)
