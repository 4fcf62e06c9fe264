"""One pull's view of time: where it reads from, how new each record is, and where the next pull may start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from indexer.sources.base import Page, SourceRefused
from leaflets import Change, Unreadable, Withdrawal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
# Longer than any clock is put back by.
_CLOCKS_GO_BACK = timedelta(hours=3)


class Window:
    """The records of one pull: from the cursor less `lag` to whatever the ERP has by the end; all of them where `filtered` is unset.

    Four rules keep clocks, the ERP's and ours, from hiding edits:

    - A record dated after the pull began counts as edited when the pull began. A typing error of the year 2099 so bars neither the
      later edits of that leaflet nor, through the cursor, those of all others.
    - A pull never begins before the cursor, which came from records. If our clock stepped back, what was edited since would else count as
      older than what is stored.
    - A cursor ahead of our clock makes the pull read everything: either may be wrong, and reading too little cannot be seen afterwards.
    - The next pull starts at the newest record less the time this pull took, because a record that had already been read may have been
      edited meanwhile, by a clock that is not ours. It never starts before this one did.
    """

    def __init__(
        self,
        since: str | None,
        lag: timedelta,
        *,
        filtered: bool = True,
        whole: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        began = now()
        self._started = time.monotonic()
        self._since = None if since is None else _moment(since, otherwise_none=whole)
        self._began = began if self._since is None else max(began, self._since + _TICK)
        self._start = None if whole or not filtered or self._since is None or self._since > began else max(self._since - lag, _EPOCH)
        self._filtered = filtered
        self._newest: int | None = None
        self._all_named = True

    @property
    def start(self) -> datetime | None:
        """From when on records are asked for; None: all of them."""
        return self._start

    @property
    def began(self) -> datetime:
        """When this pull began, by our clock, or just after the cursor where that is later."""
        return self._began

    def edited(self, at: datetime) -> datetime:
        """The time that counts as that of an edit which the ERP dates `at`."""
        return min(max(at.astimezone(UTC), _EPOCH), self._began)

    def pages(self, readings: Iterable[Iterable[Change | Withdrawal | Unreadable]]) -> Iterator[Page]:
        """What was read, a page each, and one more with the cursor: before the end, older records may still come.

        Where everything was asked for, the last page says that it was complete, unless some record had no id: it may be any leaflet.
        """
        for reading in readings:
            changes = tuple(reading)
            # A record that could not be dated has version 0 and says nothing of the time.
            dated = [change.version for change in changes if change.version]
            self._newest = max([*dated, self._newest or 0]) or None
            self._all_named = self._all_named and all(change.present for change in changes if isinstance(change, Unreadable))
            yield Page(changes)
        yield Page((), self._cursor(), complete=self._start is None and self._all_named)

    def _cursor(self) -> str | None:
        if self._newest is None:
            return None if self._since is None else _iso(self._since)
        # Where nothing is filtered by it, the cursor only says how new the newest was.
        took = timedelta(seconds=time.monotonic() - self._started) if self._filtered else timedelta()
        reached = max(_EPOCH + self._newest * _TICK - took, _EPOCH)
        return _iso(reached if self._since is None else max(reached, self._since))


def wall(start: datetime, zone: ZoneInfo) -> datetime:
    """A time as an ERP that names no zone writes it: whole seconds, rounded down, and no later than any moment since then is written.

    An hour before clocks go back it is an hour earlier, because what is edited after they did is dated like what was edited before.
    """
    back = (start.astimezone(zone).utcoffset() or timedelta()) - ((start + _CLOCKS_GO_BACK).astimezone(zone).utcoffset() or timedelta())
    return (start.astimezone(zone) - max(back, timedelta())).replace(tzinfo=None, microsecond=0)


def version(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _TICK


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(cursor: str, *, otherwise_none: bool) -> datetime | None:
    try:
        return datetime.fromisoformat(cursor).astimezone(UTC)
    except ValueError:
        if otherwise_none:
            return None
        told = cursor[:40]
        msg = f"the stored cursor {told!r} is no time, so it is another kind of source's: read this one anew with `indexer sync --full`"
        raise SourceRefused(msg) from None
