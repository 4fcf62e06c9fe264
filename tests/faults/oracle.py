"""Whether an index holds what its ERPs hold, exactly: each leaflet once, with the text of its newest version, and no other."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from opensearchpy import OpenSearch

from opensearch.generations import Indices
from tests.faults.erps import Erp
from tests.faults.verdict import Mismatch

_WORD = re.compile(r"\bv[a-z]{4}x\b")


def held(client: OpenSearch) -> dict[str, str]:
    """What the index holds: by leaflet's id the word of its text, or its words, where versions are mixed up."""
    client.indices.refresh(index=Indices().alias)
    body = {"size": 10_000, "query": {"term": {"withdrawn": False}}, "_source": ["sections"]}
    hits = client.search(index=Indices().alias, body=body)["hits"]["hits"]
    return {hit["_id"]: " ".join(sorted(set(_WORD.findall(json.dumps(hit["_source"]))))) for hit in hits}


def leftovers(client: OpenSearch) -> Iterator[str]:
    """What interrupted operations left behind: a write block, generations that nobody knows, an alias of none or several."""
    names = Indices()
    behind = sorted(client.indices.get_alias(name=names.alias))
    generations = sorted(name for name in client.indices.get(index=f"{names.alias}-*") if re.fullmatch(rf"{names.alias}-\d{{6}}", name))
    if len(behind) != 1:
        yield f"the alias stands for {behind}"
    # One is kept for a rollback.
    if len(generations) > 2:
        yield f"there are the generations {generations}, and {behind} is searched"
    for name, told in client.indices.get_settings(index=behind[0]).items():
        if "blocks" in told["settings"]["index"]:
            yield f"{name} is still blocked: {told['settings']['index']['blocks']}"


def mismatches(erps: Sequence[Erp], index: Mapping[str, str], rejected: Mapping[str, str]) -> Iterator[Mismatch]:
    """In what they differ; `rejected` is the reason of each rejected record by its id."""
    unreadable = frozenset(record for erp in erps for record in erp.shelf.unreadable())
    standing = {leaflet: word for erp in erps for leaflet, word in erp.shelf.standing().items()}
    yield from _of_leaflets(standing, index, unreadable)
    for record in unreadable - rejected.keys():
        yield Mismatch("not listed", record, "is unreadable in its ERP and not listed as rejected")
    for record, reason in rejected.items():
        if record not in unreadable:
            yield Mismatch("listed in vain", record, f"is listed as rejected, though its ERP holds nothing unreadable: {reason}")
        elif not reason:
            yield Mismatch("not listed", record, "is listed as rejected without a reason")


def _of_leaflets(standing: Mapping[str, str], index: Mapping[str, str], unreadable: frozenset[str]) -> Iterator[Mismatch]:
    """A record that became unreadable may keep what was last read of it."""
    for leaflet, word in standing.items():
        if leaflet not in index:
            yield Mismatch("lost", leaflet, f"the ERP holds {word}, the index nothing")
        elif index[leaflet] != word:
            yield Mismatch("stale", leaflet, f"the ERP holds {word}, the index {index[leaflet]}")
    for leaflet in index.keys() - standing.keys():
        if _record(leaflet) not in unreadable:
            yield Mismatch("resurrected", leaflet, f"the ERP holds nothing, the index {index[leaflet]}")
    for record, count in Counter(map(_record, index)).items():
        if count > 1 and record not in unreadable:
            yield Mismatch("duplicated", record, f"stands {count} times")


def _record(leaflet: str) -> str:
    return leaflet.rpartition(":")[0]
