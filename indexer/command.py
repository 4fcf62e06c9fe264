"""What a command of `indexer` takes, built from the environment, and how it ends where a person must mend something."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import NoReturn

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException, TransportError
from rich.console import Console

from indexer.copying import NotWritten
from indexer.cursors import Cursors
from indexer.leases import Terms, holder
from indexer.metrics import Metrics
from indexer.overview import Watch, Watched
from indexer.patience import Patience
from indexer.pull import Stores
from indexer.reindex import NotPromoted
from indexer.rejected import RejectedLeaflets
from indexer.settings import Settings
from indexer.slack import Alerts
from indexer.sources.base import Source
from indexer.sources.config import Misconfigured, configured
from indexer.write import Writer
from opensearch import epoch, logs
from opensearch.client import Denied, IndexDown, connect, denied, unreachable
from opensearch.generations import Indices, OldIndex, prepare
from opensearch.operations import Busy, Lost
from opensearch.settings import WrongSettings, read
from opensearch.synonyms import Synonyms, SynonymsRejected, synonyms

DONE, FAILED, MISCONFIGURED, REFUSED = 0, 1, 2, 3
LOOK_PATIENCE = 3.0  # Seconds for a request of metrics and alerts; it takes some milliseconds. Prometheus waits for 10 in all.


@dataclass(frozen=True, slots=True)
class Indexer:
    """All that a command takes, built once from the environment."""

    settings: Settings
    sources: tuple[Source, ...]
    synonyms: Synonyms
    client: OpenSearch
    indices: Indices
    terms: Terms
    patience: Patience

    @property
    def stores(self) -> Stores:
        """Where a pull puts what it settled."""
        return Stores(
            Writer(self.client, self.indices, patience=self.patience),
            Cursors(self.client, self.indices),
            RejectedLeaflets(self.client, self.indices),
            self.terms,
            self.settings.tombstones_kept,
        )

    @property
    def watch(self) -> Watch:
        """What metrics and alerts look at, by a client of its own: whoever asks for metrics does not wait as long as a pull does."""
        client = connect(self.settings.opensearch_address, ca_cert=self.settings.opensearch_ca_cert, timeout=LOOK_PATIENCE)
        return Watch(client, self.indices, self._paces)

    def look(self) -> tuple[Watched, ...]:
        """Every source as it stands now."""
        return Watch(self.client, self.indices, self._paces).sources()

    @property
    def _paces(self) -> dict[str, timedelta]:
        return {source.name: source.every or self.settings.sync_every for source in self.sources}

    def alerts(self, watch: Watch) -> Alerts:
        """What tells Slack of incidents."""
        return Alerts(watch, self.settings.slack_webhook_url, self.settings.bulario_home)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tells Slack and METRICS_FILE of what the block did, also where it failed."""
        watch = self.watch
        with self.alerts(watch).watching():
            try:
                yield
            finally:
                if self.settings.metrics_file:
                    Metrics(watch.look).write(self.settings.metrics_file)

    def prepare(self) -> None:
        """Makes whatever index is missing, and clears what a dead reindex left; raises as generations.prepare."""
        prepare(self.client, self.indices, self.synonyms, lease=self.settings.lease.total_seconds())

    def show(self) -> None:
        """Lets everybody find what was written, and no searchapi answer by what it kept before."""
        with suppress(OpenSearchException):
            self.client.indices.refresh(index=f"{self.indices.alias},{self.indices.cursors}")
        epoch.begin(self.settings.redis_address)

    def only(self, names: Sequence[str] | None) -> tuple[Source, ...]:
        """The sources of these names; all where none is given."""
        known = [source.name for source in self.sources]
        for name in names or ():
            if name not in known:
                misconfigured(f"there is no source {name!r} in {self.settings.sources_file}; it has {', '.join(known) or 'none'}")
        return tuple(source for source in self.sources if not names or source.name in names)


@dataclass(frozen=True, slots=True)
class Reached:
    """The settings, and a client of the OpenSearch that they name."""

    settings: Settings
    client: OpenSearch


@contextmanager
def reaching() -> Iterator[Reached]:
    """Turns what a person must mend into a sentence and exit status 2, and OpenSearch away into 1."""
    try:
        settings = read(Settings, os.environ)
    except WrongSettings as error:
        misconfigured(str(error))
    logs.configure(settings.log_format, settings.log_level)
    try:
        yield Reached(settings, connect(settings.opensearch_address, ca_cert=settings.opensearch_ca_cert))
    except (Misconfigured, SynonymsRejected, OldIndex) as error:
        misconfigured(str(error))
    except IndexDown:
        logs.complain("indexer", unreachable(settings.opensearch_url))
        sys.exit(FAILED)
    except Denied as error:
        misconfigured(denied(settings.opensearch_url, error.status_code))
    except TransportError as error:
        # Not the exception itself: its text may quote leaflets.
        logs.complain(
            "indexer", f"OpenSearch answered {error.status_code} ({type(error).__name__}) and did not do it: run it again shortly"
        )
        sys.exit(FAILED)


@contextmanager
def reaching_sources(stopped: Event | None = None, patience: float = 60) -> Iterator[Indexer]:
    """The parts of the commands that know the sources; `patience` is how many seconds OpenSearch is waited for."""
    stopped = stopped or Event()
    with reaching() as reached:
        sources = configured(reached.settings.sources_file, os.environ, reached.settings.redis_address)
        terms = Terms(holder(), reached.settings.lease, stopped)
        yield Indexer(reached.settings, sources, synonyms(), reached.client, Indices(), terms, Patience(patience, stopped))


def misconfigured(message: str) -> NoReturn:
    """Ends the command for what a person must mend."""
    logs.complain("indexer", message)
    sys.exit(MISCONFIGURED)


@contextmanager
def operating() -> Iterator[Callable[[str], None]]:
    """Shows what an operation does, and turns its end without a promotion into a sentence. SIGTERM is heard as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with console.status("beginning") as line:
            yield line.update
    except (NotPromoted, Busy) as error:
        logs.complain("indexer", f"refused: {error}")
        sys.exit(REFUSED)
    except (Lost, NotWritten) as error:
        logs.complain("indexer", str(error))
        sys.exit(FAILED)
    except IndexDown:
        raise
    except OpenSearchException as error:
        # Not the exception itself: its text may quote leaflets.
        logs.complain("indexer", f"OpenSearch failed ({type(error).__name__}); the index stands. Run it again once OpenSearch is well")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        logs.complain("indexer", "stopped; what was half made is cleared, the index stands")
        sys.stderr.flush()
        os._exit(FAILED)  # not sys.exit: a thread that waits for an ERP would be waited for


def told_to_end() -> Event:
    """Set by SIGTERM or Ctrl-C: no pull begins after that, and those that run finish the batch that they write."""
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def leave(status: int) -> NoReturn:
    """Ends the process at once: Python would wait for the threads that an ERP has not answered yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
