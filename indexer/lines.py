"""What the commands of `indexer` print: lines for a person, JSON for a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime

from indexer.divergences import Divergence
from indexer.leases import host
from indexer.overview import Watched
from indexer.pull import Outcome
from indexer.reindex import Promotion
from opensearch.gaps import Gap

# The columns of `indexer status`.
_COLUMNS = "{:<20} {:<8} {:<26} {:>9} {:>9} {:>9}  {:<9} {:<12} {}"


def pull(outcome: Outcome) -> str:
    """How one source's pull ended."""
    counts = ", ".join(f"{count} {name}" for name, count in asdict(outcome.counts).items() if count) or "nothing changed"
    ending = f"  {outcome.error}" if outcome.error else ""
    return f"{outcome.source:<16} {outcome.outcome:<8} {outcome.seconds:6.2f} s  {counts}{ending}"


def summary(outcomes: Sequence[Outcome], seconds: float, worked: float) -> str:
    """The whole, beside what it would have taken one after another: every answer waited for alone, and then our own work (`worked`)."""
    waited = sum(outcome.asking_seconds for outcome in outcomes)
    written = sum(outcome.counts.written for outcome in outcomes)
    return (
        f"{len(outcomes)} sources, {written} leaflets written in {seconds:.1f} s; one after another it would have taken "
        f"{waited + worked:.1f} s ({waited:.1f} s of waiting for the ERPs, {worked:.1f} s of work)"
    )


def pull_json(outcome: Outcome) -> dict[str, object]:
    """The same, of `indexer sync --json`."""
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


def status_json(watched: Watched) -> dict[str, object]:
    """A source, of `indexer status --json`."""
    cursor = watched.cursor
    lag = datetime.now(UTC) - cursor.synced_at if cursor.synced_at else None
    return {
        "source": cursor.source,
        "outcome": cursor.outcome,
        "synced_at": cursor.synced_at.isoformat(timespec="seconds") if cursor.synced_at else None,
        "lag_seconds": round(lag.total_seconds()) if lag else None,
        "leaflets": watched.standing,
        "rejected": watched.rejected,
        "breaker": cursor.breaker,
        "failures": cursor.failures,
        "retry_at": cursor.retry_at.isoformat(timespec="seconds") if cursor.retry_at else None,
        "holder": host(cursor.holder) or None,
        "withheld": cursor.withheld,
        "cursor": cursor.value[:40] if cursor.value else None,
        "error": cursor.error,
        "run": cursor.run or None,
    }


def promotion(made: Promotion) -> str:
    """How a reindex or a rollback ended."""
    left_out = made.left_out
    told = f"; {len(left_out)} only `indexer rejected list` holds: {', '.join(left_out[:5])}" if left_out else ""
    return (
        f"{made.generation} is searched now, {made.leaflets} leaflets{told}. It took {made.seconds:.1f} s; writers waited "
        f"{made.blocked_seconds:.2f} s, searches never. {made.kept} is kept: `indexer rollback` goes back to it"
    )


def status(sources: Sequence[Watched]) -> Iterator[str]:
    """The table of `indexer status`."""
    yield _COLUMNS.format("SOURCE", "OUTCOME", "LAST SUCCESS", "LAG", "LEAFLETS", "REJECTED", "BREAKER", "LEASE", "CURSOR")
    for told in map(status_json, sources):
        lag = told["lag_seconds"]
        cells = [told["source"], told["outcome"], told["synced_at"] or "never", "" if lag is None else f"{lag} s"]
        cells += [told["leaflets"], told["rejected"], told["breaker"], told["holder"] or "free", told["cursor"] or ""]
        yield _COLUMNS.format(*map(str, cells)).rstrip()
        if told["error"]:
            yield f"  {told['error']}"
        if told["retry_at"]:
            yield f"  its breaker is {told['breaker']} after {told['failures']} failures; the ERP is asked again at {told['retry_at']}"
        if told["withheld"]:
            yield f"  {told['withheld']} withdrawals are held back until they are confirmed or the ERP names the leaflets again"


def divergences(found: Sequence[Divergence]) -> Iterator[str]:
    """Each with its leaflets below it, and how many there are."""
    for one in found:
        yield f"{'DANGER: two drugs under ' if one.dangerous else ''}{one.product}{_ways(one)}"
        for telling in one.tellings:
            made = " + ".join(telling.active_ingredients) or "?"
            yield f"  {telling.updated_at:.10}  {telling.id}  {telling.name} ({made}), {telling.laboratory or '?'}"
    yield f"{len(found)} divergences, {sum(one.dangerous for one in found)} of them two drugs under one number"


def divergence_json(divergence: Divergence) -> dict[str, object]:
    """One of `indexer divergences --json`; what each section says is left out."""
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
    told = [f"differs: {', '.join(divergence.differs)}"] if divergence.differs else []
    told += [f"{missing.section} is missing in {', '.join(missing.sources)}" for missing in divergence.missing]
    told += [f"facts: {', '.join(divergence.facts)}"] if divergence.facts else []
    return f" ({'; '.join(told)})"


def gaps(found: Sequence[Gap], since: date) -> Iterator[str]:
    """A file of synonyms to be thought over: what is proposed, and what is a comment."""
    yield f"# {len(found)} words that enough people searched for in vain since {since}. A line without # before it is a proposal:"
    yield "# keep it if that is what callers mean; `indexer synonyms check FILE` says whether it would join two drugs."
    yield "[names]"
    for gap in found:
        near = ", ".join(one.name for one in gap.nearest) or "nothing"
        told = f"{gap.searches} searches by {gap.askers} people or more, {gap.first_seen} to {gap.last_seen}; near {near}"
        yield f"{gap.rule or '# ' + gap.word:<40} # {told}"


def gap_json(gap: Gap) -> dict[str, object]:
    """One of `indexer gaps --json`."""
    days = {"first_seen": gap.first_seen.isoformat(), "last_seen": gap.last_seen.isoformat()}
    return asdict(gap) | days | {"rule": gap.rule}
