"""One pull's view of time, with a clock of the test's own: no step of it, forward or back, hides an edit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from indexer.sources.base import Page, SourceRefused
from indexer.sources.window import Window, version
from leaflets import Change, Content, Facts, Unreadable

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAG = timedelta(minutes=5)


def window_of(since: datetime | None, now: datetime, *, filtered: bool = True, whole: bool = False) -> Window:
    """A window of a pull that begins `now` by our clock."""
    return Window(since.isoformat() if since else None, LAG, filtered=filtered, whole=whole, now=lambda: now)


def record(window: Window, edited: datetime) -> Change:
    """A record with this date, as the window counts it."""
    at = window.edited(edited)
    return Change("1", at, version(at), Facts(), (Content(b"x", "text/plain"),))


def last(window: Window, changes: Sequence[Change | Unreadable]) -> Page:
    """The last page of a pull that gave these."""
    *_, page = window.pages([changes])
    return page


def reached(page: Page) -> datetime:
    """Its cursor."""
    assert page.cursor is not None
    return datetime.fromisoformat(page.cursor)


def test_an_edit_after_our_clock_stepped_back_is_newer_than_what_is_stored() -> None:
    """Our clock is an hour behind since; what the ERP edited meanwhile must not count as older than what it had before."""
    before = window_of(None, NOON)
    stored = record(before, NOON - timedelta(minutes=1))
    cursor = reached(last(before, [stored]))
    after = window_of(cursor, NOON - HOUR)
    assert record(after, NOON + timedelta(minutes=30)).version > version(cursor)


def test_a_cursor_ahead_of_our_clock_asks_for_everything() -> None:
    """One of the two is wrong: a clock that stepped back, or a cursor made while it was ahead, behind which edits would be missed."""
    window = window_of(NOON + timedelta(days=365), NOON)
    assert window.start is None
    page = last(window, [record(window, NOON)])
    assert page.complete
    assert window_of(NOON - timedelta(minutes=1), NOON).start == NOON - timedelta(minutes=6)


@pytest.mark.parametrize("step", [-25 * HOUR, -HOUR, -timedelta(seconds=1), timedelta(), HOUR, timedelta(days=365)])
@pytest.mark.parametrize("whole", [False, True])
def test_the_cursor_never_moves_back(step: timedelta, whole: bool) -> None:  # noqa: FBT001 pytest gives it by name
    """Whatever our clock did, and though only older records were read."""
    window = window_of(NOON, NOON + step, whole=whole)
    assert reached(last(window, [record(window, NOON - HOUR)])) >= NOON
    assert reached(last(window_of(NOON, NOON + step, whole=whole), [])) == NOON


def test_a_date_in_the_future_counts_as_ours_though_our_clock_is_ahead() -> None:
    """A typing error of 2099 is worth no more than the moment of the pull."""
    window = window_of(NOON, NOON + HOUR)
    assert window.edited(datetime(2099, 1, 1, tzinfo=UTC)) == NOON + HOUR


def test_records_without_a_date_grow_newer_though_our_clock_steps_back() -> None:
    """They bear the pull's own time; where all are read each time the cursor keeps it to the tick."""
    first = window_of(None, NOON, filtered=False)
    page = last(first, [record(first, first.began)])
    second = window_of(reached(page), NOON - HOUR, filtered=False)
    assert second.began == first.began + timedelta(microseconds=1)
    page = last(second, [record(second, second.began)])
    assert window_of(reached(page), NOON - HOUR, filtered=False).began > second.began


@pytest.mark.parametrize(
    ("since", "filtered", "whole", "complete"),
    [(None, True, False, True), (NOON, False, False, True), (NOON, True, True, True), (NOON, True, False, False)],
)
def test_a_pull_that_asked_for_everything_is_complete(since: datetime | None, filtered: bool, whole: bool, complete: bool) -> None:  # noqa: FBT001 pytest gives them by name
    """The first one, each one where the ERP cannot be asked for changes, and one that was meant to."""
    window = window_of(since, NOON + HOUR, filtered=filtered, whole=whole)
    assert (window.start is None) == complete
    pages = list(window.pages([[record(window, NOON)], []]))
    assert [page.complete for page in pages] == [False, False, complete]


@pytest.mark.parametrize("present", [True, False])
def test_a_record_without_an_id_makes_no_listing_complete(present: bool) -> None:  # noqa: FBT001 pytest gives it by name
    """It may be any of the leaflets that are missing then. One that has an id and cannot be read is there."""
    assert last(window_of(None, NOON), [Unreadable("x", 0, "it cannot be read", "{}", present=present)]).complete is present


def test_a_cursor_that_is_no_time_is_no_hindrance_to_reading_everything() -> None:
    """`indexer sync --full` is what its error says to do."""
    with pytest.raises(SourceRefused, match="--full"):
        Window("eJyrVkrLzElVslIqSi0oBQAa", LAG)
    assert Window("eJyrVkrLzElVslIqSi0oBQAa", LAG, whole=True).start is None
