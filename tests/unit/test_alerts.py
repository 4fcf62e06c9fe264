"""What is remembered of incidents from look to look, and what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from indexer.alerts import ALERTS, BY_NAME, Incident
from indexer.cursors import Cursor
from indexer.overview import Overview, Watched
from indexer.slack import News, Open, news, told, turned, worded

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STALE, BREAKER = Incident("SourceStale", "matriz"), Incident("BreakerOpen", "matriz")


def looked(remembered: tuple[Open, ...], *holding: Incident, at: datetime, slack: bool = True) -> tuple[tuple[Open, ...], list[str]]:
    """One look: what is remembered afterwards, and the kinds of what was told."""
    now = turned(remembered, holding, ["matriz"], at)
    telling = news(now, at)
    return told(now, telling if slack else (), at), [one.kind for one in telling if slack]


def test_an_incident_is_told_once_and_its_end_once() -> None:
    """However often it is looked at."""
    page: tuple[Open, ...] = ()
    heard: list[str] = []
    for minute, holding in enumerate([(), (STALE,), (STALE,), (STALE,), (), ()]):
        page, kinds = looked(page, *holding, at=AT + minute * MINUTE)
        heard += kinds
    assert heard == ["began", "ended"]
    assert page == ()


def test_an_alert_that_is_patient_is_told_only_when_it_lasts() -> None:
    """A breaker that closes within its 15 minutes is nobody's business; one that does not is, an hour later under cron."""
    page, heard = looked((), BREAKER, at=AT)
    page, again = looked(page, BREAKER, at=AT + 14 * MINUTE)
    assert (heard, again) == ([], [])
    assert looked(page, at=AT + 14 * MINUTE) == ((), [])
    page, heard = looked(page, BREAKER, at=AT + 60 * MINUTE)
    assert heard == ["began"]
    assert page[0].since == AT


def test_what_slack_did_not_take_is_told_later() -> None:
    """With the time at which it began."""
    page, heard = looked((), STALE, at=AT, slack=False)
    assert heard == []
    page, heard = looked(page, STALE, at=AT + MINUTE)
    assert (heard, page[0].since) == (["began"], AT)


def test_what_began_and_ended_while_slack_was_away_is_told_too() -> None:
    """In one message, once."""
    page, _ = looked((), STALE, at=AT, slack=False)
    page, _ = looked(page, at=AT + MINUTE, slack=False)
    page, heard = looked(page, at=AT + 2 * MINUTE)
    assert heard == ["passed"]
    assert page == ()


def test_an_end_that_was_not_told_and_is_none_is_not_told() -> None:
    """It holds again before Slack took its end: it goes on."""
    page, _ = looked((), STALE, at=AT)
    page, _ = looked(page, at=AT + MINUTE, slack=False)
    page, heard = looked(page, STALE, at=AT + 2 * MINUTE)
    assert heard == []
    assert page[0].ended_at is None


def test_an_indexer_does_not_end_the_incidents_of_sources_that_it_does_not_know() -> None:
    """Two indexers with a sources.toml each."""
    theirs = Open(Incident("SourceStale", "filial"), AT, AT)
    assert turned([theirs], [], ["matriz"], AT + MINUTE) == (theirs,)


@pytest.mark.parametrize("kind", ["began", "ended", "passed"])
@pytest.mark.parametrize("alert", BY_NAME.values(), ids=lambda alert: alert.name)
def test_every_message_says_what_and_since_when_and_what_to_do(alert: object, kind: str) -> None:
    """In Portuguese; with the command where it began; with nothing of what a source is called taken for markup."""
    name = alert.name  # type: ignore[attr-defined]  # pytest's ids take any object
    of_source = "{source}" in BY_NAME[name].summary
    one = Open(Incident(name, "a<b>" if of_source else ""), AT, AT, AT + MINUTE if kind != "began" else None)
    cursor = Cursor("a<b>", error="<!channel> & mais\nnada", withheld=3)
    text = worded(News(kind, one), Overview(AT, (Watched(cursor, timedelta(hours=1), 7, 2),), "leaflets-000001", 0.5, 0.25))  # type: ignore[arg-type]  # one of the three
    assert "28/11/2026 12:00 UTC" in text
    assert "{source}" not in text
    assert "a<b>" not in text
    assert "<!channel>" not in text
    if kind == "began":
        assert "O que fazer:" in text
        assert f"docs/operations.md#{name.lower()}" in text
        facts = "7 bulas no SAC; 2 rejeitadas; 3 retiradas suspensas" if of_source else "disco 50%, heap 25%"
        assert facts in text or name == "OpenSearchAway"
        assert ("a&lt;b&gt;" in text) == of_source


def test_every_alert_that_names_a_source_names_it_in_its_text() -> None:
    """Else the text could not say which."""
    for alert in ALERTS:
        sources = [*alert.of(Overview(AT, (Watched(Cursor("x"), timedelta(hours=1)),)))]
        assert sources in ([], ["x"], [""])
        assert sources != ["x"] or "{source}" in alert.summary
