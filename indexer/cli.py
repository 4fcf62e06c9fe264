"""`indexer`: what operations type."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, NoReturn

import redis
import typer
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException, TransportError
from rich.console import Console

from indexer import rejected as rejecting
from indexer.copying import NotWritten
from indexer.cursors import Cursor, Cursors
from indexer.divergences import Divergence, divergences
from indexer.leases import Terms, holder, host
from indexer.metrics import Metrics
from indexer.overview import Watch
from indexer.patience import Patience
from indexer.pull import Order, Outcome, Stores, ended, pull, sync
from indexer.readers import Readers
from indexer.reindex import NotPromoted, Promotion, Reindexing
from indexer.rejected import RejectedLeaflets
from indexer.sample import sample
from indexer.schedule import go_on
from indexer.settings import Settings
from indexer.slack import Alerts
from indexer.sources.base import Source, SourceError
from indexer.sources.config import Misconfigured, configured
from indexer.write import Batch, Writer
from leaflets import Leaflet
from opensearch import epoch, logs
from opensearch.client import Denied, IndexDown, connect, denied, unreachable
from opensearch.gaps import Gap, Gaps
from opensearch.generations import Indices, OldIndex, current, prepare
from opensearch.history import History
from opensearch.joined import joined, sentence
from opensearch.names import names
from opensearch.operations import Busy, Lost
from opensearch.settings import WrongSettings, read, shown
from opensearch.synonyms import FILE as SYNONYMS_FILE
from opensearch.synonyms import Synonyms, SynonymsRejected, synonyms

DONE, FAILED, MISCONFIGURED, REFUSED = 0, 1, 2, 3
LOOK_PATIENCE = 3.0  # Seconds for a request of metrics and alerts; it takes some milliseconds. Prometheus waits for 10 in all.

app = typer.Typer(
    help="Pulls the leaflets of all ERPs into OpenSearch. Exit status: 0 done; 1 something failed, the rest was done; "
    "2 misconfigured, nothing was touched; 3 refused by a guard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
rejected_app = typer.Typer(help="Leaflets that could not be indexed, each with its reason and original.", no_args_is_help=True)
app.add_typer(rejected_app, name="rejected")
synonyms_app = typer.Typer(help="The file of synonyms.", no_args_is_help=True)
app.add_typer(synonyms_app, name="synonyms")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else there.")]
Confirmed = Annotated[
    bool, typer.Option("--confirm-withdrawals", help="Withdraw what the ERP no longer holds, however much of the source it is.")
]
AcceptOlder = Annotated[
    bool,
    typer.Option(
        "--accept-older", help="With --full: believe an ERP that was restored, or whose clock was put right, and gives older leaflets."
    ),
]
Only = Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be given several times.")]


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
        settings = self.settings
        ca_cert = str(settings.opensearch_ca_cert) if settings.opensearch_ca_cert else None
        paces = {source.name: source.every or settings.sync_every for source in self.sources}
        return Watch(connect(settings.opensearch_address, ca_cert=ca_cert, timeout=LOOK_PATIENCE), self.indices, paces)

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
                _misconfigured(f"there is no source {name!r} in {self.settings.sources_file}; it has {', '.join(known) or 'none'}")
        return tuple(source for source in self.sources if not names or source.name in names)


@app.command("sync")
def sync_(
    source: Only = None,
    full: Annotated[bool, typer.Option("--full", help="Pull everything, not only what changed.")] = False,  # noqa: FBT002
    confirmed: Confirmed = False,  # noqa: FBT002
    accept_older: AcceptOlder = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Pull what changed in all sources, in parallel, and write it."""
    stopped = _told_to_end()
    with _indexer(stopped) as indexer, Readers() as readers:
        if sys.stderr.isatty() and "log_level" not in indexer.settings.model_fields_set:
            # The lines below say it all to a person.
            logs.configure(indexer.settings.log_format, "ERROR")
        sources = indexer.only(source)
        # Standard error is the log's where programs read it.
        quiet = as_json and indexer.settings.log_format == "json"
        console = Console(stderr=as_json, highlight=False, soft_wrap=True, quiet=quiet)
        began, worked = datetime.now(UTC), time.process_time()
        order = Order(full=full, confirmed=confirmed, set_back=accept_older, probing=True)
        with indexer.telling(), console.status("pulling " + ", ".join(s.name for s in sources)):
            indexer.prepare()
            outcomes = sync(sources, indexer.stores, readers, order, done=lambda outcome: console.print(_line(outcome)))
            # History is bounded by what is kept, not by the minute: where OpenSearch is away by now, the next sync does it.
            with suppress(OpenSearchException):
                History(indexer.client, indexer.indices).purge(indexer.settings.history_kept)
            # Before it is told of: what is counted is what is found.
            indexer.show()
        seconds = (datetime.now(UTC) - began).total_seconds()
        if as_json:
            _print_json({"seconds": round(seconds, 3), "sources": [_told(outcome) for outcome in outcomes]})
        else:
            console.print(_summary(outcomes, seconds, time.process_time() - worked))
        if any(outcome.outcome == "stopped" for outcome in outcomes):
            logs.complain("indexer", "told to end before all was pulled; what was settled stands, the next sync reads the rest")
            _leave(FAILED)
    sys.exit(_status_of(outcomes))


def _status_of(outcomes: Sequence[Outcome]) -> int:
    """The exit status of a sync. What another indexer pulls is in good hands."""
    told = {outcome.outcome for outcome in outcomes} - {"done", "held"}
    return DONE if not told else REFUSED if told == {"refused"} else FAILED


@app.command()
def run(source: Only = None) -> None:
    """Pull every source now and then each at its pace (SYNC_EVERY), and serve metrics, until told to stop."""
    stopped = _told_to_end()
    with _indexer(stopped, patience=120) as indexer, Readers() as readers:
        preparing, stores, watch = Lock(), indexer.stores, indexer.watch
        alerts = indexer.alerts(watch)
        Metrics(watch.look).serve(indexer.settings.indexer_metrics_port)
        alerts.start()

        def pulled(one: Source) -> bool:
            try:
                with preparing:
                    indexer.prepare()
            except OpenSearchException:
                logs.complain("indexer", f"{unreachable(indexer.settings.opensearch_url)}; {one.name} is tried again soon")
                return False
            outcome = pull(one, stores, readers)
            typer.echo(_line(outcome))
            with suppress(OpenSearchException):
                History(indexer.client, indexer.indices).purge(indexer.settings.history_kept)
            if outcome.counts.written or outcome.counts.withdrawn:
                indexer.show()
            alerts.wake()
            return outcome.outcome in {"done", "held", "refused"}

        def pulling(one: Source) -> None:
            try:
                go_on(one.every or indexer.settings.sync_every, lambda: pulled(one), stopped)
            finally:
                # A loop ends when it is told to, or by what a person must mend: then the others end too.
                stopped.set()

        sources = indexer.only(source)
        pullers = ThreadPoolExecutor(max_workers=len(sources), thread_name_prefix="source")
        loops = [pullers.submit(pulling, one) for one in sources]
        ended(loops, stores)
        for loop in loops:
            if loop.done():
                loop.result()
        _leave(DONE)


def _told_to_end() -> Event:
    """Set by SIGTERM or Ctrl-C: no pull begins after that, and those that run finish the batch that they write."""
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _leave(status: int) -> NoReturn:
    """Ends the process at once: Python would wait for the threads that an ERP has not answered yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@app.command("reindex")
def reindex_(
    from_sources: Annotated[bool, typer.Option("--from-sources", help="Pull every source whole, not from stored originals.")] = False,  # noqa: FBT002
) -> None:
    """Make the index anew beside itself, prove it and put it in its place, while syncs and searches go on."""
    if from_sources:
        with _indexer() as indexer, Readers() as readers, _operating() as told:
            lease = indexer.settings.lease.total_seconds()
            generations = Reindexing(indexer.client, indexer.indices, indexer.synonyms, readers, told, lease)
            promotion = generations.reindex(indexer.sources)
            epoch.begin(indexer.settings.redis_address)
    else:
        with _reaching() as reached, Readers() as readers, _operating() as told:
            promotion = Reindexing(reached.client, Indices(), synonyms(), readers, told, reached.settings.lease.total_seconds()).reindex()
            epoch.begin(reached.settings.redis_address)
    typer.echo(_promoted(promotion))


@app.command("rollback")
def rollback_() -> None:
    """Go back to the generation before the last reindex, with what changed since; again, and it goes forth."""
    with _reaching() as reached, Readers() as readers, _operating() as told:
        promotion = Reindexing(reached.client, Indices(), synonyms(), readers, told, reached.settings.lease.total_seconds()).rollback()
        epoch.begin(reached.settings.redis_address)
    typer.echo(_promoted(promotion))


def _promoted(promotion: Promotion) -> str:
    left_out = promotion.left_out
    told = f"; {len(left_out)} only `indexer rejected list` holds: {', '.join(left_out[:5])}" if left_out else ""
    return (
        f"{promotion.generation} is searched now, {promotion.leaflets} leaflets{told}. It took {promotion.seconds:.1f} s; writers waited "
        f"{promotion.blocked_seconds:.2f} s, searches never. {promotion.kept} is kept: `indexer rollback` goes back to it"
    )


@contextmanager
def _operating() -> Iterator[Callable[[str], None]]:
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


@app.command()
def status(as_json: AsJson = False) -> None:  # noqa: FBT002
    """A line a source: last success, lag, leaflets, rejected, breaker, lease, cursor."""
    with _indexer() as indexer:
        cursors = {cursor.source: cursor for cursor in indexer.stores.cursors.all()}
        counts = _counts(indexer)
        lines = [_status(cursors.get(s.name, Cursor(s.name)), counts) for s in indexer.sources]
    if as_json:
        _print_json({"sources": lines})
        return
    typer.echo(_STATUS.format("SOURCE", "OUTCOME", "LAST SUCCESS", "LAG", "LEAFLETS", "REJECTED", "BREAKER", "LEASE", "CURSOR"))
    for line in lines:
        lag = line["lag_seconds"]
        told = [line["source"], line["outcome"], line["synced_at"] or "never", "" if lag is None else f"{lag} s"]
        told += [line["leaflets"], line["rejected"], line["breaker"], line["holder"] or "free", line["cursor"] or ""]
        typer.echo(_STATUS.format(*map(str, told)).rstrip())
        if line["error"]:
            typer.echo(f"  {line['error']}")
        if line["retry_at"]:
            typer.echo(
                f"  its breaker is {line['breaker']} after {line['failures']} failures; the ERP is asked again at {line['retry_at']}"
            )
        if line["withheld"]:
            typer.echo(f"  {line['withheld']} withdrawals are held back until they are confirmed or the ERP names the leaflets again")


_STATUS = "{:<20} {:<8} {:<26} {:>9} {:>9} {:>9}  {:<9} {:<12} {}"


@app.command()
def check(
    names: Only = None,
    rows: Annotated[int, typer.Option("--sample", min=0, help="Show what the mapping makes of so many rows of each source.")] = 0,
) -> None:
    """Read the configuration, reach every source, OpenSearch and Redis, and change nothing."""
    failed = False
    with _indexer() as indexer, Readers() as readers:
        told = [("OpenSearch", shown(indexer.settings.opensearch_url), indexer.client.info()["version"]["number"])]
        shown_rows: dict[str, list[str]] = {}
        for source in indexer.only(names):
            try:
                told.append((source.name, "source", source.check()))
                shown_rows[source.name] = list(sample(source, rows, readers)) if rows else []
            except SourceError as error:
                failed = True
                told.append((source.name, "source", f"FAILED: {error}"))
        try:
            redis.Redis.from_url(indexer.settings.redis_address, socket_timeout=1, socket_connect_timeout=1).ping()
            told.append(("Redis", "cache", "answers"))
        except redis.RedisError:
            failed = True
            told.append(("Redis", "cache", "FAILED: does not answer; searches work without it, slower (REDIS_URL says where it runs)"))
    for name, what, answer in told:
        typer.echo(f"{name:<20} {what:<28} {answer}")
        for line in shown_rows.get(name, ()):
            typer.echo(line)
    sys.exit(FAILED if failed else DONE)


@app.command("divergences")
def divergences_(as_json: AsJson = False) -> None:  # noqa: FBT002
    """The same product told differently by several sources; two drugs under one number come first."""
    with _reaching() as reached:
        generation = current(reached.client, Indices())
        found = divergences(reached.client, Indices(), synonyms()) if generation else ()
    if as_json:
        _print_json({"divergences": [_divergence(one) for one in found]})
        return
    for one in found:
        typer.echo(f"{'DANGER: two drugs under ' if one.dangerous else ''}{one.product}{_ways(one)}")
        for telling in one.tellings:
            made = " + ".join(telling.active_ingredients) or "?"
            typer.echo(f"  {telling.updated_at:.10}  {telling.id}  {telling.name} ({made}), {telling.laboratory or '?'}")
    typer.echo(f"{len(found)} divergences, {sum(one.dangerous for one in found)} of them two drugs under one number")


def _divergence(divergence: Divergence) -> dict[str, object]:
    leaflets = [asdict(telling) for telling in divergence.tellings]
    for leaflet in leaflets:
        del leaflet["sections"], leaflet["product"]
    return {
        "product": divergence.product,
        "dangerous": divergence.dangerous,
        "facts": divergence.facts,
        "differs": divergence.differs,
        "missing": {missing.section: missing.sources for missing in divergence.missing},
        "leaflets": leaflets,
    }


def _ways(divergence: Divergence) -> str:
    """In which ways the sources tell a product differently, in words."""
    if divergence.dangerous:
        return ""
    ways = [f"differs: {', '.join(divergence.differs)}"] if divergence.differs else []
    ways += [f"{missing.section} is missing in {', '.join(missing.sources)}" for missing in divergence.missing]
    ways += [f"facts: {', '.join(divergence.facts)}"] if divergence.facts else []
    return f" ({'; '.join(ways)})"


@app.command("gaps")
def gaps_(as_json: AsJson = False) -> None:  # noqa: FBT002
    """Words that many searched for in vain, as a file of synonyms to be thought over: what is proposed, and what is a comment."""
    with _reaching() as reached:
        since = datetime.now(UTC).date() - reached.settings.gaps_kept
        solved = {word for rule in synonyms().rules for word in rule.left}
        found = [gap for gap in Gaps(reached.client, Indices()).all(since) if gap.word not in solved]
    if as_json:
        _print_json({"gaps": [_gap(gap) for gap in found]})
        return
    typer.echo(f"# {len(found)} words that enough people searched for in vain since {since}. A line without # before it is a proposal:")
    typer.echo("# keep it if that is what callers mean; `indexer synonyms check FILE` says whether it would join two drugs.")
    typer.echo("[names]")
    for gap in found:
        near = ", ".join(one.name for one in gap.nearest) or "nothing"
        told = f"{gap.searches} searches by {gap.askers} people or more, {gap.first_seen} to {gap.last_seen}; near {near}"
        typer.echo(f"{gap.rule or '# ' + gap.word:<40} # {told}")


def _gap(gap: Gap) -> dict[str, object]:
    days = {"first_seen": gap.first_seen.isoformat(), "last_seen": gap.last_seen.isoformat()}
    return asdict(gap) | days | {"rule": gap.rule}


@rejected_app.command("list")
def list_rejected(as_json: AsJson = False) -> None:  # noqa: FBT002
    """One line a rejected leaflet: its id, when and why."""
    with _indexer() as indexer:
        found = indexer.stores.rejected.all()
    if as_json:
        _print_json({"rejected": [{"id": r.id, "rejected_at": r.rejected_at.isoformat(), "reason": r.reason} for r in found]})
        return
    for one in found:
        typer.echo(f"{one.id}  {one.rejected_at:%Y-%m-%d %H:%M}  {one.reason}")
    typer.echo(f"{len(found)} rejected")


@rejected_app.command("show")
def show_rejected(rejected_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """One rejected leaflet whole, with what its ERP sent."""
    with _indexer() as indexer:
        found = indexer.stores.rejected.one(rejected_id)
    if found is None:
        _misconfigured(f"no rejected leaflet has the id {rejected_id!r}; `indexer rejected list` shows them")
    typer.echo(f"id        {found.id}\nversion   {found.version}\nrejected  {found.rejected_at.isoformat()}\nreason    {found.reason}\n")
    typer.echo(found.original or "(the original was too large to be kept: pull it again with `indexer sync --full`)")


@rejected_app.command("retry")
def retry_rejected(rejected_id: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None) -> None:
    """Try again to index these rejected leaflets, or all."""
    failed = 0
    with _indexer() as indexer, Readers() as readers:
        stores = indexer.stores
        ids = rejected_id or [one.id for one in stores.rejected.all()]
        for one_id in ids:
            answer = _retried(one_id, stores, readers)
            failed += answer != "indexed"
            typer.echo(f"{one_id}  {answer}")
        if failed < len(ids):
            indexer.show()
    sys.exit(FAILED if failed else DONE)


def _retried(rejected_id: str, stores: Stores, readers: Readers) -> str:
    """What became of one rejected leaflet tried again."""
    found = stores.rejected.one(rejected_id)
    if found is None:
        return "is not among the rejected"
    change = rejecting.change_of(found)
    if change is None:
        return f"only its ERP can send it again: mend it there, or `indexer sync --full --source {found.source}`"
    read = readers.read(found.source, change)
    if not isinstance(read, Leaflet):
        return f"still rejected: {read}"
    receipt = stores.writer.write(Batch(found.source, (read,)))
    if receipt.rejected or receipt.later:
        return "still rejected: " + (receipt.rejected[0].reason if receipt.rejected else "OpenSearch is too busy")
    stores.rejected.forget(found.source, [found.source_id])
    return "indexed"


@synonyms_app.command("check")
def check_synonyms(file: Annotated[Path, typer.Argument(metavar="[FILE]", show_default=False)] = SYNONYMS_FILE) -> None:
    """Lint the synonyms (or FILE), and refuse those that would join two drugs of the index."""
    with _reaching() as reached:
        known = synonyms(file)
        generation = current(reached.client, Indices())
        if refusals := joined(known, names(reached.client, generation)) if generation else ():
            raise SynonymsRejected(f"{file.name}: {sentence(refusals)}")
    where = f"none joins two drugs of {generation}" if generation else "there is no index yet to tell whether one joins two drugs"
    typer.echo(f"{file.name}: {len(known.rules)} rules; {where}")


@dataclass(frozen=True, slots=True)
class _Reached:
    """The settings, and a client of the OpenSearch that they name."""

    settings: Settings
    client: OpenSearch


@contextmanager
def _reaching() -> Iterator[_Reached]:
    """Turns what a person must mend into a sentence and exit status 2, and OpenSearch away into 1."""
    try:
        settings = read(Settings, os.environ)
    except WrongSettings as error:
        _misconfigured(str(error))
    logs.configure(settings.log_format, settings.log_level)
    try:
        ca_cert = str(settings.opensearch_ca_cert) if settings.opensearch_ca_cert else None
        yield _Reached(settings, connect(settings.opensearch_address, ca_cert=ca_cert))
    except (Misconfigured, SynonymsRejected, OldIndex) as error:
        _misconfigured(str(error))
    except IndexDown:
        logs.complain("indexer", unreachable(settings.opensearch_url))
        sys.exit(FAILED)
    except Denied as error:
        _misconfigured(denied(settings.opensearch_url, error.status_code))
    except TransportError as error:
        # Not the exception itself: its text may quote leaflets.
        logs.complain(
            "indexer", f"OpenSearch answered {error.status_code} ({type(error).__name__}) and did not do it: run it again shortly"
        )
        sys.exit(FAILED)


@contextmanager
def _indexer(stopped: Event | None = None, patience: float = 60) -> Iterator[Indexer]:
    """The parts of the commands that know the sources; `patience` is how many seconds OpenSearch is waited for."""
    stopped = stopped or Event()
    with _reaching() as reached:
        sources = configured(reached.settings.sources_file, os.environ, reached.settings.redis_address)
        terms = Terms(holder(), reached.settings.lease, stopped)
        yield Indexer(reached.settings, sources, synonyms(), reached.client, Indices(), terms, Patience(patience, stopped))


def _misconfigured(message: str) -> NoReturn:
    logs.complain("indexer", message)
    sys.exit(MISCONFIGURED)


def _line(outcome: Outcome) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in asdict(outcome.counts).items() if count) or "nothing changed"
    ending = f"  {outcome.error}" if outcome.error else ""
    return f"{outcome.source:<16} {outcome.outcome:<8} {outcome.seconds:6.2f} s  {counts}{ending}"


def _summary(outcomes: Sequence[Outcome], seconds: float, worked: float) -> str:
    """The whole, beside what it would have taken one after another: every answer waited for alone, and then our own work (`worked`)."""
    waited = sum(outcome.asking_seconds for outcome in outcomes)
    written = sum(outcome.counts.written for outcome in outcomes)
    return (
        f"{len(outcomes)} sources, {written} leaflets written in {seconds:.1f} s; one after another it would have taken "
        f"{waited + worked:.1f} s ({waited:.1f} s of waiting for the ERPs, {worked:.1f} s of work)"
    )


def _told(outcome: Outcome) -> dict[str, object]:
    return {
        "source": outcome.source,
        "outcome": outcome.outcome,
        **asdict(outcome.counts),
        "pages": outcome.pages,
        "seconds": round(outcome.seconds, 3),
        "asking_seconds": round(outcome.asking_seconds, 3),
        "error": outcome.error,
        "run": outcome.run,
    }


@dataclass(frozen=True, slots=True)
class _Held:
    """What the index holds of each source."""

    leaflets: dict[str, int]
    rejected: dict[str, int]


def _counts(indexer: Indexer) -> _Held:
    by_source = {"sources": {"terms": {"field": "source", "size": 1000}}}
    standing = {"size": 0, "query": {"term": {"withdrawn": False}}, "aggs": by_source}
    found = [
        indexer.client.search(index=index, body=body, params={"ignore_unavailable": "true"}).get("aggregations", {})
        for index, body in ((indexer.indices.alias, standing), (indexer.indices.rejected, {"size": 0, "aggs": by_source}))
    ]
    counts = [{b["key"]: b["doc_count"] for b in told.get("sources", {}).get("buckets", ())} for told in found]
    return _Held(leaflets=counts[0], rejected=counts[1])


def _status(cursor: Cursor, held: _Held) -> dict[str, object]:
    lag = datetime.now(UTC) - cursor.synced_at if cursor.synced_at else None
    return {
        "source": cursor.source,
        "outcome": cursor.outcome,
        "synced_at": cursor.synced_at.isoformat(timespec="seconds") if cursor.synced_at else None,
        "lag_seconds": round(lag.total_seconds()) if lag else None,
        "leaflets": held.leaflets.get(cursor.source, 0),
        "rejected": held.rejected.get(cursor.source, 0),
        "breaker": cursor.breaker,
        "failures": cursor.failures,
        "retry_at": cursor.retry_at.isoformat(timespec="seconds") if cursor.retry_at else None,
        "holder": host(cursor.holder) or None,
        "withheld": cursor.withheld,
        "cursor": cursor.value[:40] if cursor.value else None,
        "error": cursor.error,
        "run": cursor.run or None,
    }


def _print_json(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


def main() -> None:
    """The console script."""
    app()
