"""A new generation while syncs and searches go on, and the way back: docs/adr/0009.

    create N+1 -> copy -> catch up -> prove -> block N -> compare, copy the difference, compare -> swap the alias

Whatever stops it, before the swap nothing has changed, and after it everything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from indexer import proof
from indexer.copying import Copy, Refused
from indexer.cursors import Cursors
from indexer.proof import some
from indexer.readers import Readers
from indexer.rejected import RejectedLeaflets
from indexer.repull import Pulled, pull_whole
from indexer.sources.base import Source, SourceError
from opensearch import mapping
from opensearch.generations import (
    Generation,
    Indices,
    add,
    block,
    clear,
    generations,
    prepare_operations,
    promote,
    reopen,
)
from opensearch.joined import joined, sentence
from opensearch.names import names
from opensearch.operations import LEASE, PROMOTION, Operation
from opensearch.synonyms import Synonyms, SynonymsRejected

log = logging.getLogger(__name__)

# A round of catching up that small is not worth another: what is left is copied while writers wait.
SMALL = 50
# Rounds after which a sync that writes faster than it is caught up with has to wait.
MOST_ROUNDS = 10
# Seconds that a second copy of the new generation may take to be made; on one node there is none to wait for.
REPLICATED_WITHIN = 30


class NotPromoted(Exception):
    """The index stays as it is; the text says what the other generation lacks, or why there is none."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What stands now. `left_out`: ids that only `indexer rejected` holds; `blocked_seconds`: how long writers had to wait."""

    generation: str
    kept: str
    leaflets: int
    left_out: tuple[str, ...]
    seconds: float
    blocked_seconds: float


@dataclass(frozen=True, slots=True)
class Reindexing:
    """Makes and changes generations of one installation; `told` hears what is being done."""

    client: OpenSearch
    indices: Indices
    synonyms: Synonyms
    readers: Readers
    told: Callable[[str], None] = lambda _: None
    lease: float = LEASE

    def reindex(self, sources: Sequence[Source] | None = None) -> Promotion:
        """Fills a generation from the stored originals, or from `sources` pulled whole, and promotes it.

        Raises NotPromoted, SynonymsRejected, operations.Busy and operations.Lost.
        """
        with self._operation("reindex") as operation:
            began, old = time.monotonic(), self._current()
            self._refuse_joining(old)
            new = add(self.client, self.indices, self.synonyms, operation.holder)
            written_as = self.indices.made_by(operation.holder)
            with self._noted("reindex", new), Copy(self.client, old.name, written_as, self.readers) as copy:
                pulled = self._filled(copy, operation, new, sources)
                self._caught_up(copy, operation)
                operation.go_on(f"proving {new}")
                self.told(f"asking {new} what it must find")
                known = self._explained(copy, pulled)
                same = old.mapping == mapping.VERSION
                self._refuse(proof.unanswered(self.client, old.name, new, same_mapping=same))
                return self._promoted(copy, operation, new, _Explained(known, pulled.added, pulled.moved), began)

    def rollback(self) -> Promotion:
        """Goes back to the kept generation, with what changed since; again, and it goes forth. Raises as `reindex` does."""
        with self._operation("rollback") as operation:
            began, old = time.monotonic(), self._current()
            kept = next((one for one in generations(self.client, self.indices) if self.indices.kept in one.aliases), None)
            if kept is None:
                raise NotPromoted("no generation is kept: there is one once `indexer reindex` has promoted another")
            if kept.mapping != mapping.VERSION:
                raise NotPromoted(
                    f"{kept.name} was made for mapping {kept.mapping} and this program writes mapping {mapping.VERSION}: run "
                    "`indexer rollback` of the program that wrote it"
                )
            reopen(self.client, self.indices, kept.name, operation.holder)
            written_as = self.indices.caught_up_by(operation.holder)
            with self._noted("rollback", kept.name), Copy(self.client, old.name, written_as, self.readers) as copy:
                operation.go_on(f"bringing {kept.name} up to date")
                self.told(f"copying what changed since into {kept.name}")
                copy.only(proof.behind(proof.listing(self.client, old.name), proof.listing(self.client, kept.name), ()))
                return self._promoted(copy, operation, kept.name, _Explained(self._explained(copy, Pulled())), began)

    def _operation(self, kind: str) -> Operation:
        prepare_operations(self.client, self.indices)
        return Operation(self.client, self.indices.operations, kind, lambda holder: clear(self.client, self.indices, holder), self.lease)

    def _current(self) -> Generation:
        for one in generations(self.client, self.indices):
            if self.indices.alias in one.aliases:
                return one
        raise NotPromoted("there is no index yet: run `indexer sync` once")

    def _refuse_joining(self, old: Generation) -> None:
        if refusals := joined(self.synonyms, names(self.client, old.name)):
            raise SynonymsRejected(f"{self.synonyms.file.name}: {sentence(refusals)}. The index keeps the synonyms that it has")

    def _filled(self, copy: Copy, operation: Operation, new: str, sources: Sequence[Source] | None) -> Pulled:
        """Fills the new generation with all that there was when it began."""
        if sources is None:
            operation.go_on(f"copying {copy.generation} into {new}")
            count = self._leaflets(copy.generation)
            copy.catch_up(lambda done: self.told(f"copying {copy.generation} into {new}: {done} of {count}"))
            return Pulled()
        operation.go_on(f"pulling every source into {new}")
        copy.reached = _newest(self.client, copy.generation)
        self.told(f"pulling {', '.join(source.name for source in sources)} whole into {new}")
        try:
            pulled = pull_whole(
                sources,
                copy,
                Cursors(self.client, self.indices),
                lambda done: self.told(f"pulling every source into {new}: {done} leaflets"),
            )
        except SourceError as error:
            raise NotPromoted(f"a source could not be pulled whole: {error}. Nothing was changed; run it again") from error
        RejectedLeaflets(self.client, self.indices).keep(pulled.rejected)
        operation.go_on(f"carrying over what no source gave into {new}")
        copy.only(proof.behind(proof.listing(self.client, copy.generation), proof.listing(self.client, new), ()))
        return pulled

    def _leaflets(self, generation: str) -> int:
        return int(self.client.count(index=generation)["count"])

    def _caught_up(self, copy: Copy, operation: Operation) -> None:
        """Copies what was written meanwhile, and meanwhile again, until that is little."""
        for number in range(MOST_ROUNDS):
            operation.go_on(f"catching up, round {number + 1}")
            self.told(f"catching up with what was written meanwhile, round {number + 1}")
            if copy.catch_up(lambda _: None) <= SMALL:
                return

    def _explained(self, copy: Copy, pulled: Pulled) -> frozenset[str]:
        """The leaflets that cannot be made anew and that the list of rejected ones tells of; raises NotPromoted for any other."""
        known = {(one.source, one.source_id): one.version for one in pulled.rejected}
        rejected = RejectedLeaflets(self.client, self.indices)
        unknown: list[Refused] = []
        for one in copy.refused.values():
            listed = rejected.one(f"{one.source}:{one.source_id}")
            if max(known.get((one.source, one.source_id), -1), listed.version if listed else -1) < one.version:
                unknown.append(one)
        if unknown:
            reasons = "; ".join(f"{one.id}: {one.reason}" for one in unknown[:10])
            raise NotPromoted(
                f"{len(unknown)} leaflets that the desk finds now can no longer be read: {reasons}"
                f"{f'; and {len(unknown) - 10} more' if len(unknown) > 10 else ''}. Mend them in their ERP, then run it again with "
                "--from-sources: what their ERP gives is read, or listed by `indexer rejected list`"
            )
        return frozenset(copy.refused)

    def _refuse(self, complaints: Sequence[str]) -> None:
        if complaints:
            raise NotPromoted("the new generation is not as good as the one that stands: " + some(complaints))

    def _promoted(self, copy: Copy, operation: Operation, new: str, explained: _Explained, began: float) -> Promotion:
        """Blocks the old generation, makes both equal, and swaps."""
        old = copy.generation
        # The node that holds it may die right after; 408 says that the second copy is not there yet.
        params = {"wait_for_status": "green", "timeout": f"{REPLICATED_WITHIN}s", "request_timeout": 2 * REPLICATED_WITHIN}
        self.client.cluster.health(index=new, params=params, ignore=HTTPStatus.REQUEST_TIMEOUT)
        self.told(f"promoting {new}")
        operation.go_on(f"promoting {new}")
        blocked = time.monotonic()
        block(self.client, old)
        standing = self._equal(copy, new, explained)
        operation.go_on(f"swapping the alias to {new}")
        promote(self.client, self.indices, new, instead_of=old, written_as=copy.target)
        ended = time.monotonic()
        return Promotion(new, old, standing, tuple(sorted(explained.left_out)), ended - began, ended - blocked)

    def _equal(self, copy: Copy, new: str, explained: _Explained) -> int:
        """Copies the difference between the blocked generation and the new one, and gives how many leaflets stand in it."""
        old = proof.listing(self.client, copy.generation)
        held = proof.listing(self.client, new)
        gone = [doc_id for doc_id in held if doc_id in explained.left_out or (doc_id not in old and doc_id not in explained.added)]
        late = proof.behind(old, held, explained.left_out)
        if gone or late:
            copy.only(late)
            copy.take_out(gone)
            if newly := sorted(set(copy.refused) - explained.left_out):
                raise NotPromoted(f"written meanwhile, and not to be read: {some(newly)}. Nothing was changed; run it again")
            held = proof.listing(self.client, new)
        if late := proof.behind(old, held, explained.left_out):
            raise NotPromoted(f"{len(late)} documents differ still: {some(late)}. Nothing was changed; run it again")
        self._refuse(proof.counted(old, held, explained.all))
        return sum(not one.withdrawn for one in held.values())

    def _noted(self, kind: str, generation: str) -> _Noted:
        return _Noted(self.client, self.indices, kind, generation)


@dataclass(frozen=True, slots=True)
class _Explained:
    """The ids in which the generations may differ, and why."""

    left_out: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """All of them."""
        return self.left_out | self.added | self.moved


@dataclass(frozen=True, slots=True)
class _Noted:
    """Notes how a promotion went, in a document beside the operation's, for whoever alerts. One that a person stopped is none."""

    client: OpenSearch
    indices: Indices
    kind: str
    generation: str

    def __enter__(self) -> None:
        """Nothing is known yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, Exception):
            return
        outcome = "promoted" if error is None else "refused" if isinstance(error, NotPromoted) else "failed"
        # Of what is not ours only the kind: its text may quote leaflets.
        why = str(error) if isinstance(error, NotPromoted) else type(error).__name__ if error else ""
        log.info("promotion", extra={"kind": self.kind, "generation": self.generation, "outcome": outcome})
        state = {"kind": self.kind, "generation": self.generation, "outcome": outcome, "why": why}
        body = {"state": state | {"at": datetime.now(UTC).isoformat(timespec="seconds")}}
        # Where OpenSearch is away, that is told already.
        with suppress(OpenSearchException):
            self.client.index(index=self.indices.operations, id=PROMOTION, body=body, params={"refresh": "true"})


def _newest(client: OpenSearch, generation: str) -> int:
    """The `_seq_no` of the newest write."""
    client.indices.refresh(index=generation)
    body = {"size": 1, "sort": [{"_seq_no": "desc"}], "_source": False}
    hits = client.search(index=generation, body=body)["hits"]["hits"]
    return int(hits[0]["sort"][0]) if hits else -1
