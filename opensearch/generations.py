"""The index's generations: `leaflets-000042` behind the alias `leaflets`, and the small indices beside it.

leaflets            alias; searched by searchapi, written by indexer
leaflets-000001     a generation
leaflets-cursors    one document a source: where its next pull starts, and how the last one went
leaflets-rejected   one document a record that could not be indexed, with its reason and original
leaflets-gaps       one document a word and day: what enough different people searched for and nobody found
leaflets-operations one document an operation: what goes on (a reindex), what was told (alerts), moved by compare-and-set
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError

from opensearch import mapping
from opensearch.joined import joined, sentence
from opensearch.names import names
from opensearch.synonyms import Synonyms, SynonymsRejected

ALIAS = "leaflets"

_CURSORS = {
    "dynamic": "strict",
    "properties": {
        "cursor": {"type": "keyword", "index": False, "doc_values": False},
        "attempted_at": {"type": "date"},
        "synced_at": {"type": "date"},
        "outcome": {"type": "keyword"},
        "error": {"type": "text", "index": False},
        "counts": {"type": "object", "enabled": False},
        "seconds": {"type": "float"},
        "scanned_at": {"type": "date"},
        "retry_at": {"type": "date"},
        "totals": {"type": "object", "enabled": False},
        "listed": {"type": "integer"},
        "usual_listed": {"type": "float"},
        "usual_seconds": {"type": "float"},
        "withheld": {"type": "integer"},
        "holder": {"type": "keyword"},
        "breaker": {"type": "keyword"},
        "failures": {"type": "integer"},
        "run": {"type": "keyword"},
    },
}
_REJECTED = {
    "dynamic": "strict",
    "properties": {
        "source": {"type": "keyword"},
        "source_id": {"type": "keyword"},
        "version": {"type": "long"},
        "reason": {"type": "text"},
        "rejected_at": {"type": "date"},
        "original": {"type": "text", "index": False},
    },
}


_OPERATIONS = {"dynamic": "strict", "properties": {"state": {"type": "object", "enabled": False}}}


class OldIndex(Exception):
    """The index was made for another mapping than this program's; nothing was changed. The text says how to make it anew."""


_GAPS = {
    "dynamic": "strict",
    "properties": {
        "word": {"type": "keyword"},
        "day": {"type": "date", "format": "strict_date"},
        "searches": {"type": "integer"},
        "askers": {"type": "integer"},
        "nearest": {"type": "object", "enabled": False},
    },
}


@dataclass(frozen=True, slots=True)
class Indices:
    """The names of one installation's indices; tests use an alias of their own."""

    alias: str = ALIAS

    @property
    def cursors(self) -> str:
        """The index of cursors."""
        return f"{self.alias}-cursors"

    @property
    def rejected(self) -> str:
        """The index of rejected leaflets."""
        return f"{self.alias}-rejected"

    @property
    def gaps(self) -> str:
        """The index of words that found nothing."""
        return f"{self.alias}-gaps"

    @property
    def operations(self) -> str:
        """The index of what operations go on: `state` is whatever the operation keeps, see opensearch/held.py."""
        return f"{self.alias}-operations"

    def generation(self, number: int) -> str:
        """The name of one generation; sorts by age."""
        return f"{self.alias}-{number:06d}"


def prepare(client: OpenSearch, indices: Indices, synonyms: Synonyms) -> str:
    """Makes whatever index is missing, leaves what is there, and gives the current generation's name.

    Raises OldIndex where the generation was made for another mapping, and SynonymsRejected, with the generation as it was, where edited
    synonyms would join two drugs that it holds.
    """
    _create_small(client, indices.cursors, _CURSORS)
    _create_small(client, indices.rejected, _REJECTED)
    _create_small(client, indices.operations, _OPERATIONS)
    found = current(client, indices)
    if found is None:
        first = indices.generation(1)
        _create(client, first, {**mapping.body(synonyms), "aliases": {indices.alias: {"is_write_index": True}}})
        found = current(client, indices) or first
    held = client.indices.get_mapping(index=found)[found]["mappings"].get("_meta", {})
    if held.get("version") != mapping.VERSION:
        message = (
            f"the index {found} was made for mapping {held.get('version')} and this program writes mapping {mapping.VERSION}; searches go "
            f"on with what it holds. To make it anew: DELETE /{found} in OpenSearch, then `indexer sync --full`"
        )
        raise OldIndex(message)
    if held.get("synonyms") != synonyms.version:
        _give_synonyms(client, found, synonyms)
    return found


def _give_synonyms(client: OpenSearch, generation: str, synonyms: Synonyms) -> None:
    """Gives a generation the synonyms as they are now. It is closed for that: searches fail for the moment (0.2 s measured)."""
    refusals = joined(synonyms, names(client, generation))
    if refusals:
        raise SynonymsRejected(f"{synonyms.file.name}: {sentence(refusals)}. The index keeps the synonyms that it has")
    client.indices.close(index=generation)
    try:
        client.indices.put_settings(index=generation, body=mapping.synonym_settings(synonyms))
    finally:
        client.indices.open(index=generation)
    client.indices.put_mapping(index=generation, body={"_meta": mapping.meta(synonyms)})


def current(client: OpenSearch, indices: Indices) -> str | None:
    """The generation behind the alias; None before the first `indexer sync`."""
    try:
        behind = client.indices.get_alias(name=indices.alias)
    except NotFoundError:
        return None
    return max(str(name) for name in behind if re.fullmatch(rf"{re.escape(indices.alias)}-\d{{6}}", name))


def prepare_gaps(client: OpenSearch, indices: Indices) -> None:
    """Makes the index of gaps, where there is none: who writes it may not wait for the next sync."""
    _create_small(client, indices.gaps, _GAPS)


def _create_small(client: OpenSearch, name: str, mappings: Mapping[str, object]) -> None:
    """Creates a small index, or gives one that is there the fields it lacks: they only ever gain some."""
    if client.indices.exists(index=name):
        client.indices.put_mapping(index=name, body=dict(mappings))
        return
    _create(client, name, {"settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}, "mappings": mappings})


def _create(client: OpenSearch, name: str, body: dict[str, object]) -> None:
    """Creates an index, or finds that someone else has."""
    if client.indices.exists(index=name):
        return
    try:
        client.indices.create(index=name, body=body)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
