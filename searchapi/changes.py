"""What changed between the versions of a leaflet: which facts, which sections, and which words of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from opensearch.history import Version
from searchapi import compare
from searchapi.compare import Compared, Fact


@dataclass(frozen=True, slots=True)
class Changed:
    """One edit of a leaflet: what stood `before` and `after`, and only the facts and sections that it changed."""

    before: Version
    after: Version
    facts: tuple[Fact, ...]
    sections: tuple[Compared, ...]


def changes(standing: Version, superseded: Sequence[Version]) -> tuple[Changed, ...]:
    """The edits that are known of, newest first. A version that tells nothing else than the one before it is no edit.

    What was kept of a version that is, or was once more, the one that stands, is not counted twice.
    """
    before = sorted((one for one in superseded if one.number < standing.number), key=lambda one: one.number, reverse=True)
    return tuple(changed for after, old in pairwise((standing, *before)) if (changed := _changed(old, after)).facts or changed.sections)


def _changed(before: Version, after: Version) -> Changed:
    sections = compare.sections(before.passages, after.passages)
    return Changed(before, after, compare.facts(before.facts, after.facts), tuple(one for one in sections if one.differs))
