"""`indexer`: what operations type."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Annotated

import redis
import typer
from opensearchpy.exceptions import OpenSearchException
from rich.console import Console

from indexer import lines
from indexer import rejected as rejecting
from indexer.command import (
    DONE,
    FAILED,
    REFUSED,
    Indexer,
    Reached,
    leave,
    misconfigured,
    operating,
    reaching,
    reaching_sources,
    told_to_end,
)
from indexer.divergences import divergences
from indexer.metrics import Metrics
from indexer.pull import Order, Outcome, Stores, ended, pull, sync
from indexer.readers import Readers
from indexer.reindex import Reindexing
from indexer.sample import sample
from indexer.schedule import go_on
from indexer.sources.base import Source, SourceError
from indexer.write import Batch
from leaflets import Leaflet
from opensearch import epoch, logs
from opensearch.client import unreachable
from opensearch.gaps import Gaps
from opensearch.generations import Indices, current
from opensearch.history import History
from opensearch.joined import joined, sentence
from opensearch.names import names
from opensearch.settings import shown
from opensearch.synonyms import FILE as SYNONYMS_FILE
from opensearch.synonyms import SynonymsRejected, synonyms

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


@app.command("sync")
def sync_(
    source: Only = None,
    full: Annotated[bool, typer.Option("--full", help="Pull everything, not only what changed.")] = False,  # noqa: FBT002
    confirmed: Confirmed = False,  # noqa: FBT002
    accept_older: AcceptOlder = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Pull what changed in all sources, in parallel, and write it."""
    stopped = told_to_end()
    with reaching_sources(stopped) as indexer, Readers() as readers:
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
            outcomes = sync(sources, indexer.stores, readers, order, done=lambda outcome: console.print(lines.pull(outcome)))
            # History is bounded by what is kept, not by the minute: where OpenSearch is away by now, the next sync does it.
            with suppress(OpenSearchException):
                History(indexer.client, indexer.indices).purge(indexer.settings.history_kept)
            # Before it is told of: what is counted is what is found.
            indexer.show()
        seconds = (datetime.now(UTC) - began).total_seconds()
        if as_json:
            _print_json({"seconds": round(seconds, 3), "sources": [lines.pull_json(outcome) for outcome in outcomes]})
        else:
            console.print(lines.summary(outcomes, seconds, time.process_time() - worked))
        if any(outcome.outcome == "stopped" for outcome in outcomes):
            logs.complain("indexer", "told to end before all was pulled; what was settled stands, the next sync reads the rest")
            leave(FAILED)
    sys.exit(_status_of(outcomes))


def _status_of(outcomes: Sequence[Outcome]) -> int:
    """The exit status of a sync. What another indexer pulls is in good hands."""
    told = {outcome.outcome for outcome in outcomes} - {"done", "held"}
    return DONE if not told else REFUSED if told == {"refused"} else FAILED


@app.command()
def run(source: Only = None) -> None:
    """Pull every source now and then each at its pace (SYNC_EVERY), and serve metrics, until told to stop."""
    stopped = told_to_end()
    with reaching_sources(stopped, patience=120) as indexer, Readers() as readers:
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
            typer.echo(lines.pull(outcome))
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
        leave(DONE)


@app.command("reindex")
def reindex_(
    from_sources: Annotated[bool, typer.Option("--from-sources", help="Pull every source whole, not from stored originals.")] = False,  # noqa: FBT002
) -> None:
    """Make the index anew beside itself, prove it and put it in its place, while syncs and searches go on."""
    if from_sources:
        with reaching_sources() as indexer, Readers() as readers, operating() as told:
            promotion = _reindexing(indexer, readers, told).reindex(indexer.sources)
            epoch.begin(indexer.settings.redis_address)
    else:
        with reaching() as reached, Readers() as readers, operating() as told:
            promotion = _reindexing(reached, readers, told).reindex()
            epoch.begin(reached.settings.redis_address)
    typer.echo(lines.promotion(promotion))


@app.command("rollback")
def rollback_() -> None:
    """Go back to the generation before the last reindex, with what changed since; again, and it goes forth."""
    with reaching() as reached, Readers() as readers, operating() as told:
        promotion = _reindexing(reached, readers, told).rollback()
        epoch.begin(reached.settings.redis_address)
    typer.echo(lines.promotion(promotion))


def _reindexing(reached: Reached | Indexer, readers: Readers, told: Callable[[str], None]) -> Reindexing:
    return Reindexing(reached.client, Indices(), synonyms(), readers, told, reached.settings.lease.total_seconds())


@app.command()
def status(as_json: AsJson = False) -> None:  # noqa: FBT002
    """A line a source: last success, lag, leaflets, rejected, breaker, lease, cursor."""
    with reaching_sources() as indexer:
        sources = indexer.look()
    if as_json:
        _print_json({"sources": [lines.status_json(one) for one in sources]})
        return
    _print(lines.status(sources))


@app.command()
def check(
    names: Only = None,
    rows: Annotated[int, typer.Option("--sample", min=0, help="Show what the mapping makes of so many rows of each source.")] = 0,
) -> None:
    """Read the configuration, reach every source, OpenSearch and Redis, and change nothing."""
    failed = False
    with reaching_sources() as indexer, Readers() as readers:
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
    with reaching() as reached:
        generation = current(reached.client, Indices())
        found = divergences(reached.client, Indices(), synonyms()) if generation else ()
    if as_json:
        _print_json({"divergences": [lines.divergence_json(one) for one in found]})
        return
    _print(lines.divergences(found))


@app.command("gaps")
def gaps_(as_json: AsJson = False) -> None:  # noqa: FBT002
    """Words that many searched for in vain, as a file of synonyms to be thought over: what is proposed, and what is a comment."""
    with reaching() as reached:
        since = datetime.now(UTC).date() - reached.settings.gaps_kept
        solved = {word for rule in synonyms().rules for word in rule.left}
        found = [gap for gap in Gaps(reached.client, Indices()).all(since) if gap.word not in solved]
    if as_json:
        _print_json({"gaps": [lines.gap_json(gap) for gap in found]})
        return
    _print(lines.gaps(found, since))


@rejected_app.command("list")
def list_rejected(as_json: AsJson = False) -> None:  # noqa: FBT002
    """One line a rejected leaflet: its id, when and why."""
    with reaching_sources() as indexer:
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
    with reaching_sources() as indexer:
        found = indexer.stores.rejected.one(rejected_id)
    if found is None:
        misconfigured(f"no rejected leaflet has the id {rejected_id!r}; `indexer rejected list` shows them")
    typer.echo(f"id        {found.id}\nversion   {found.version}\nrejected  {found.rejected_at.isoformat()}\nreason    {found.reason}\n")
    typer.echo(found.original or "(the original was too large to be kept: pull it again with `indexer sync --full`)")


@rejected_app.command("retry")
def retry_rejected(rejected_id: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None) -> None:
    """Try again to index these rejected leaflets, or all."""
    failed = 0
    with reaching_sources() as indexer, Readers() as readers:
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
    with reaching() as reached:
        known = synonyms(file)
        generation = current(reached.client, Indices())
        if refusals := joined(known, names(reached.client, generation)) if generation else ():
            raise SynonymsRejected(f"{file.name}: {sentence(refusals)}")
    where = f"none joins two drugs of {generation}" if generation else "there is no index yet to tell whether one joins two drugs"
    typer.echo(f"{file.name}: {len(known.rules)} rules; {where}")


def _print(told: Iterable[str]) -> None:
    for line in told:
        typer.echo(line)


def _print_json(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


def main() -> None:
    """The console script."""
    app()
