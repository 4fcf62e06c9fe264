"""What the indexer asks of every ERP, whatever its wire.

    source.pages(since, ahead)  ->  Page, Page, Page ...      each: changes, withdrawals, unreadable records, what is unchanged

A source turns its ERP's records into :class:`leaflets.Change`, and nothing of the ERP's shape leaves its module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from leaflets import Change, Unreadable, Withdrawal

if TYPE_CHECKING:  # The breaker is about errors that are named here.
    from indexer.breaker import Breaker

T = TypeVar("T")


class SourceError(Exception):
    """A source could not be read; the text says what was wrong and what to do."""


class SourceDown(SourceError):
    """The ERP did not answer, or not in time: try this source again on the next round."""


class Busy(SourceDown):
    """SourceDown with the seconds to wait that the ERP asked for."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class SourceRefused(SourceError):
    """The ERP turned our credentials or our question down: a person must mend the configuration."""


class SourceChanged(SourceError):
    """The ERP's answer has another shape than agreed: a person must look."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a source's changes.

    `cursor` is where the next run may start once this page and all pages before it are settled; None where that place is not known.
    `unchanged` are source_ids that the source holds as it held them before, where it tells so without giving them again. The last page
    of a pull says with `complete` that its pages named every leaflet which the source holds: what was not named is not there. Named is
    what was changed, is unchanged, or cannot be read though it is there (`Unreadable.present`).
    """

    changes: tuple[Change | Withdrawal | Unreadable, ...]
    cursor: str | None = None
    unchanged: tuple[str, ...] = ()
    complete: bool = False


class Ahead(Protocol):
    """Runs calls with at most the source's `max_in_flight` at a time and gives their results in the order of the calls.

    It takes calls from the iterable only as places become free, so the iterable may be endless: stop reading to stop asking. The
    first call that raises raises here, in its turn. It may be used again while the results of another use are read.
    """

    def __call__(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """The results of the calls."""


def in_turn(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
    """See Ahead; each call when the one before is done."""
    return (call() for call in calls)


class Source(Protocol):
    """One configured ERP."""

    @property
    def name(self) -> str:
        """The name below [sources.] in sources.toml."""

    @property
    def every(self) -> timedelta | None:
        """How often to pull it; None: as SYNC_EVERY says."""

    @property
    def max_in_flight(self) -> int:
        """How many requests the ERP may have to answer at once."""

    @property
    def scan_every(self) -> timedelta:
        """How often to list it whole, where it is else asked for what changed."""

    @property
    def max_missing(self) -> float:
        """The share of its leaflets that may be missing from a complete listing and yet be believed to be gone."""

    @property
    def breaker(self) -> Breaker:
        """What all its requests go through. It remembers nothing from one run to the next by itself."""

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """What changed since the cursor `since` (None: everything), page by page.

        With `whole` it gives everything, and `since` serves only to keep cursor and versions from going back; one that it cannot use is
        then no error. With `names` only who is there matters: changes may come without contents. Raises SourceDown, SourceRefused or
        SourceChanged; pages given before the error stay good.
        """

    def check(self) -> str:
        """Reaches the ERP, changes nothing, and says in a few words what answered; raises as `pages` does."""
