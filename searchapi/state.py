"""What searchapi knows of the index between questions: its names, its generation and how fresh its sources are.

One thread looks every few seconds whether the index changed and, if so, makes a new Snapshot; questions read whichever is there.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from opensearch.joined import Refusal, joined, sentence
from opensearch.names import names
from opensearch.synonyms import Synonyms
from searchapi.lookalikes import Listed, LookAlikes
from searchapi.ordinary import ordinary_words
from searchapi.seen import Freshness, Lookout, NotReady, Seen
from searchapi.vocabulary import Vocabulary, vocabulary

log = logging.getLogger(__name__)

# How long a change may stay unseen by the names, in seconds. A look is three small requests.
LOOK_EVERY = 2.0
# How soon it is seen that OpenSearch is back, in seconds.
LOOK_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the index. `refused`: the synonyms that would join two of its drugs, which the names were read without."""

    names: Vocabulary
    lookalikes: LookAlikes
    refused: tuple[Refusal, ...]
    freshness: Freshness


class IndexState:
    """The newest snapshot, renewed in the background from `start` to `stop`."""

    def __init__(self, client: OpenSearch, lookout: Lookout, synonyms: Synonyms, own: Listed) -> None:
        self._client = client
        self._synonyms = synonyms
        self._own = own
        self._snapshot: Snapshot | None = None
        self._looking = threading.Lock()
        self._stopped = threading.Event()
        self.lookout = lookout

    def start(self) -> None:
        """Looks now and then, until `stop`."""
        threading.Thread(target=self._go_on, name="index-state", daemon=True).start()

    def stop(self) -> None:
        """Ends the looking."""
        self._stopped.set()
        self.lookout.doubted.set()

    def snapshot(self) -> Snapshot:
        """The newest snapshot; raises NotReady before there is one."""
        found = self._snapshot or self.look()
        if found is None:
            raise NotReady("the index does not exist yet: run `indexer sync` once")
        return found

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot, without asking anyone; None before there is one."""
        return self._snapshot

    def look(self) -> Snapshot | None:
        """Looks at the index now; None where there is none. Raises where OpenSearch does not answer."""
        with self._looking:
            seen = self.lookout.look()
            held = self._snapshot
            if seen is None:
                self._snapshot = None
            elif held and held.names.stamp == seen.stamp:
                self._snapshot = replace(held, freshness=seen.freshness)
            else:
                self._snapshot = self._new(seen, held)
            return self._snapshot

    def _go_on(self) -> None:
        away = False
        while not self._stopped.is_set():
            try:
                self.look()
                if away:
                    log.warning("OpenSearch answers again")
                away = False
            except (OpenSearchException, LookupError, TypeError, ValueError) as error:
                # The last three: an answer without what it must hold. The looking must go on.
                what = "did not answer" if isinstance(error, OpenSearchException) else "answered with something else than was asked for"
                if not away:
                    log.warning("index state is old: OpenSearch %s", what, extra={"error": type(error).__name__})
                away = True
            if away:
                self._stopped.wait(LOOK_AGAIN)
            else:
                self.lookout.doubted.wait(LOOK_EVERY)

    def _new(self, seen: Seen, held: Snapshot | None) -> Snapshot:
        named = tuple(names(self._client, seen.generation, preference=self.lookout.preference))
        refused = joined(self._synonyms, named)
        if refused and refused != (held.refused if held else ()):
            log.error("synonyms that would join two drugs are left out", extra={"file": str(self._synonyms.file), "why": sentence(refused)})
        usable = self._synonyms.without({refusal.line for refusal in refused})
        known = vocabulary(named, usable, stamp=seen.stamp, generation=seen.generation, ordinary=ordinary_words())
        return Snapshot(known, LookAlikes(known, usable, self._own), refused, seen.freshness)
