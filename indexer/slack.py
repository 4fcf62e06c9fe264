"""Tells incidents to Slack by a webhook, for installations without Prometheus: each once when it begins and once when it ends.

What is open is remembered in OpenSearch (`leaflets-operations`, document `alerts`, moved by compare-and-set), so that two indexers tell it
once between them. That OpenSearch is away cannot be remembered there: it is in BULARIO_HOME/alerts.json, so that a cron run knows what the
one before it told; indexers on several machines each tell it. What Slack did not take is told at the next round: an indexer that ends
between Slack's answer and its own note of it makes somebody tell it twice, and never nobody.
"""

from __future__ import annotations

import fcntl
import json
import logging
import platform
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Literal, TextIO

from opensearchpy.exceptions import OpenSearchException
from pydantic import SecretStr
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookClient

from indexer.alerts import BY_NAME, OPENSEARCH_AWAY, Alert, Incident, incidents
from indexer.overview import Overview, Watch, Watched
from opensearch import held
from opensearch.held import Moved

log = logging.getLogger(__name__)

EVERY = 60.0  # Seconds between looks while nothing else wakes us: a stale source is told also while its pull hangs.
SLACK_PATIENCE = 3  # Seconds. It answers within 0.5 s or is ill.
END_PATIENCE = 5.0  # Seconds that the last round may hold back a sync that is done.
CLAIM = timedelta(seconds=60)  # How long others leave the telling to whoever claimed it: more than a round takes.
TOGETHER = 10  # News in one message: Slack cuts texts at 40,000 characters and takes a message a second.
TRIES = 5  # Compare-and-sets against other indexers, each of which moves the document a few times a round.


@dataclass(frozen=True, slots=True)
class Open:
    """An incident as it is remembered: since when it holds, when that was told, and when it ended, if that is still to be told."""

    incident: Incident
    since: datetime
    told_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def alert(self) -> Alert:
        """What kind of incident it is."""
        return BY_NAME[self.incident.alert]


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell of an incident: that it began, that it ended, or, where nobody could be told in time, that it had been."""

    kind: Literal["began", "ended", "passed"]
    of: Open


def turned(remembered: Iterable[Open], holding: Iterable[Incident], watched: Iterable[str], at: datetime) -> tuple[Open, ...]:
    """What is to be remembered now that these incidents hold. Incidents of sources that are not `watched` stay as they are.

    One that holds again before its end was told goes on; one that ended before it was patient enough is forgotten.
    """
    now, known = set(holding), {*watched, ""}
    still = []
    for one in remembered:
        if one.incident in now:
            still.append(replace(one, ended_at=None))
        elif one.incident.source not in known:
            still.append(one)
        elif one.told_at or at - one.since >= one.alert.patience:
            still.append(replace(one, ended_at=one.ended_at or at))
    new = now - {one.incident for one in still}
    return (*still, *(Open(incident, at) for incident in sorted(new, key=lambda i: (i.alert, i.source))))


def news(remembered: Iterable[Open], at: datetime) -> tuple[News, ...]:
    """What is to be told now."""
    found = []
    for one in remembered:
        if one.ended_at:
            found.append(News("ended" if one.told_at else "passed", one))
        elif not one.told_at and at - one.since >= one.alert.patience:
            found.append(News("began", one))
    return tuple(found)


def told(remembered: Iterable[Open], delivered: Iterable[News], at: datetime) -> tuple[Open, ...]:
    """What is to be remembered once these news were delivered."""
    began = {one.of.incident for one in delivered if one.kind == "began"}
    gone = {one.of.incident for one in delivered if one.kind != "began"}
    # Whoever holds again since its end was told begins anew at the next look.
    kept = (one for one in remembered if one.incident not in gone)
    return tuple(replace(one, told_at=at) if one.incident in began else one for one in kept)


@dataclass(slots=True)
class Alerts:
    """Watches an installation and tells Slack. Without a webhook it does nothing."""

    watch: Watch
    webhook: SecretStr | None
    home: Path
    every: float = EVERY
    _away: tuple[Open, ...] = ()
    _me: str = field(default_factory=lambda: uuid.uuid4().hex)
    _woken: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Looks every minute and whenever woken, until the process ends."""
        if self.webhook is not None:
            # A daemon: whatever it waits for then, the process may end.
            threading.Thread(target=self._go_on, name="alerts", daemon=True).start()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The same until the block ends, and looks once more then; holds its end back for some seconds at most."""
        self.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._woken.set()
            if self.webhook is not None:
                self._over.wait(END_PATIENCE)

    def wake(self) -> None:
        """Something happened that may have begun or ended an incident: look now."""
        self._woken.set()

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            self._woken.wait(self.every)
            self._woken.clear()
            self.round(datetime.now(UTC))
        self._over.set()

    def round(self, at: datetime) -> None:
        """Looks once and tells what is new. Raises for nothing that is away: what could not be told now is told at a later round."""
        try:
            seen = self.watch.look()
        except OpenSearchException:
            self._round_beside(at, away=True)
            return
        self._round_beside(at, away=False)
        try:
            self._round_in(seen, at)
        except OpenSearchException as error:
            # Not the exception itself: its text quotes what was to be stored.
            log.warning("alerts not remembered, told again on the next round", extra={"error": type(error).__name__})

    def _round_in(self, seen: Overview, at: datetime) -> None:
        """A round that is remembered in OpenSearch: look, claim the telling, tell, note it."""
        holding = incidents(seen)
        claimed = self._turn(lambda page: self._claimed(page, turned(page.remembered, holding, self.watch.paces, at), at))
        if claimed is None or (claimed.teller, claimed.until) != (self._me, at + CLAIM):
            return
        delivered = self._send(news(claimed.remembered, at), seen)
        self._turn(lambda page: self._noted(page, told(page.remembered, delivered, at)))

    def _claimed(self, page: _Page, remembered: tuple[Open, ...], at: datetime) -> _Page:
        """What is remembered now, and the telling of it as ours, where there is any that nobody else is about to do."""
        others = page.teller != self._me and page.until is not None and page.until > at
        if others or not news(remembered, at):
            return replace(page, remembered=remembered)
        return _Page(remembered, self._me, at + CLAIM)

    def _noted(self, page: _Page, remembered: tuple[Open, ...]) -> _Page:
        return _Page(remembered) if page.teller == self._me else replace(page, remembered=remembered)

    def _turn(self, change: Callable[[_Page], _Page]) -> _Page | None:
        """Changes what is remembered in OpenSearch and gives it as it is then; None where others were always faster."""
        client, index = self.watch.client, self.watch.indices.operations
        for _ in range(TRIES):
            found = held.read(client, index, "alerts")
            page = _page(found.body.get("state"))
            changed = change(page)
            if changed == page:
                return page
            with suppress(Moved):
                held.move(client, index, "alerts", {"state": _state(changed)}, found.token)
                return changed
        return None

    def _round_beside(self, at: datetime, *, away: bool) -> None:
        """A round about OpenSearch itself, remembered in a file; where none can be written, in this process."""
        file = self.home / "alerts.json"
        if not away and not self._away and not file.exists():
            return
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with file.open("a+", encoding="utf-8") as beside:
                fcntl.flock(beside, fcntl.LOCK_EX)  # Another indexer of this machine tells meanwhile, a few seconds at most.
                self._away = self._told_beside(_read(beside) or self._away, at, away=away)
                beside.truncate(0)
                beside.write(json.dumps(_stored(self._away)))
            self._away = ()
        except OSError as error:
            log.warning("alerts file not written, kept in this process", extra={"file": str(file), "error": type(error).__name__})
            self._away = self._told_beside(self._away, at, away=away)

    def _told_beside(self, remembered: tuple[Open, ...], at: datetime, *, away: bool) -> tuple[Open, ...]:
        remembered = turned(remembered, [Incident(OPENSEARCH_AWAY.name)] if away else [], (), at)
        return told(remembered, self._send(news(remembered, at), None), at)

    def _send(self, what: Sequence[News], seen: Overview | None) -> tuple[News, ...]:
        """Tells Slack and gives what it took."""
        taken: list[News] = []
        for start in range(0, len(what), TOGETHER):
            some = what[start : start + TOGETHER]
            if not self._took("\n\n".join(worded(one, seen) for one in some)):
                break
            taken += some
        return tuple(taken)

    def _took(self, text: str) -> bool:
        assert self.webhook is not None
        # A logger that says nothing: the library's own logs the webhook's address, which is the secret, and the message.
        silent = logging.Logger("slack", logging.CRITICAL + 1)  # noqa: LOG001 - on purpose below no other and with no handler.
        slack = WebhookClient(self.webhook.get_secret_value(), timeout=SLACK_PATIENCE, logger=silent, retry_handlers=[])
        try:
            status = slack.send(text=text, unfurl_links=False).status_code
        except (OSError, HTTPException, ValueError, SlackClientError) as error:
            log.warning("slack did not take the alerts, told again on the next round", extra={"error": type(error).__name__})
            return False
        if status != 200:
            log.warning("slack did not take the alerts, told again on the next round", extra={"error": f"status {status}"})
        return status == 200


@dataclass(frozen=True, slots=True)
class _Page:
    """What is remembered in OpenSearch, and who is about to tell news of it until when."""

    remembered: tuple[Open, ...] = ()
    teller: str = ""
    until: datetime | None = None


def _page(state: object) -> _Page:
    if not isinstance(state, Mapping):
        return _Page()
    until = state.get("until")
    return _Page(_opens(state.get("open") or ()), str(state.get("teller") or ""), datetime.fromisoformat(str(until)) if until else None)


def _state(page: _Page) -> dict[str, object]:
    return {"open": _stored(page.remembered), "teller": page.teller, "until": page.until.isoformat() if page.until else None}


def _read(file: TextIO) -> tuple[Open, ...]:
    """What a file remembers; nothing where a power cut left half of it: told again rather than never."""
    file.seek(0)
    try:
        return _opens(json.loads(file.read() or "[]"))
    except (ValueError, KeyError, TypeError):
        return ()


def _opens(stored: Iterable[Mapping[str, str]]) -> tuple[Open, ...]:
    # An alert that this program does not know is left out; a version that knows it tells it anew.
    return tuple(
        Open(Incident(one["alert"], one["source"]), datetime.fromisoformat(one["since"]), _moment(one["told_at"]), _moment(one["ended_at"]))
        for one in stored
        if one["alert"] in BY_NAME
    )


def _stored(remembered: Iterable[Open]) -> list[dict[str, str | None]]:
    return [
        {
            "alert": one.incident.alert,
            "source": one.incident.source,
            "since": one.since.isoformat(),
            "told_at": one.told_at.isoformat() if one.told_at else None,
            "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        }
        for one in remembered
    ]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def worded(one: News, seen: Overview | None) -> str:
    """What people read in Slack: what happened, since when, what to do."""
    alert, source = one.of.alert, _plain(one.of.incident.source)
    summary, since = alert.summary.format(source=source), _when(one.of.since)
    if one.kind == "began":
        facts = _facts(one.of.incident.source, seen)
        todo = alert.description.format(source=source)
        return f":rotating_light: *{summary}*\nDesde {since}. {facts}\n*O que fazer:* {todo}\nPasso a passo: `{alert.runbook}`"
    until = _when(one.of.ended_at or one.of.since)
    if one.kind == "ended":
        return f":white_check_mark: *Terminou:* {summary}\nDe {since} a {until}."
    return f":information_source: *Já terminou, e não pôde ser avisado a tempo:* {summary}\nDe {since} a {until}."


def _facts(name: str, seen: Overview | None) -> str:
    """The figures that whoever is called wants first."""
    if seen is None:
        return f"Visto de {_plain(platform.node())}."
    if not name:
        shares = [f"{what} {share:.0%}" for what, share in (("disco", seen.disk), ("heap", seen.heap)) if share is not None]
        return f"OpenSearch: {', '.join([*shares, f'geração {seen.generation}'])}."
    return next((_facts_of(source) for source in seen.sources if source.name == name), "")


def _facts_of(source: Watched) -> str:
    cursor = source.cursor
    synced = _when(cursor.synced_at) if cursor.synced_at else "nunca"
    facts = [f"Última sincronização completa: {synced}", f"{source.standing} bulas no SAC", f"{source.rejected} rejeitadas"]
    facts += [f"{cursor.withheld} retiradas suspensas"] if cursor.withheld else []
    facts += [f"último erro: {_plain(cursor.error[:300])}"] if cursor.error else []
    return "; ".join(facts) + "."


def _when(moment: datetime) -> str:
    """A moment as Slack shows it in the reader's own time zone; in UTC where it cannot."""
    fallback = moment.astimezone(UTC).strftime("%d/%m/%Y %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_num}} {{time}}|{fallback}>"


def _plain(text: str) -> str:
    """Text that Slack shows as it is."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
