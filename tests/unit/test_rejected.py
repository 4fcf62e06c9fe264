"""A rejected leaflet is kept whole, to be tried again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from indexer.rejected import change_of, of_change
from leaflets import Audience, Category, Change, Content, Facts, Section

CHANGE = Change(
    "77",
    datetime(2026, 11, 1, tzinfo=UTC),
    5,
    Facts("Calmobel", ("valerilina",), "Sossego", "188880001", ("7890000000017",), Audience.PATIENT, Category.SIMILAR, active=False),
    (Content(b"%PDF-1.4", "application/pdf"), Content(b"Tome", "text/plain", "utf-8", Section.POSOLOGY)),
)


def test_a_rejected_change_comes_back_as_it_was() -> None:
    """With all that its ERP said."""
    assert change_of(of_change("matriz", CHANGE, "why")) == CHANGE


def test_one_that_an_older_version_kept_comes_back_without_what_that_did_not_know() -> None:
    """Nobody has to pull it again."""
    kept = of_change("matriz", CHANGE, "why")
    told = json.loads(kept.original)
    del told["change"]["facts"]["category"], told["change"]["facts"]["active"]
    found = change_of(replace(kept, original=json.dumps(told)))
    assert found == replace(CHANGE, facts=replace(CHANGE.facts, category=None, active=None))
