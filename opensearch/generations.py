"""The index's generations: `leaflets-000042` behind the alias `leaflets`, and the small indices beside it.

leaflets            alias; searched by searchapi, written by indexer
leaflets-000001     a generation
leaflets-cursors    one document a source: where its next pull starts, and how the last one went
leaflets-rejected   one document a record that could not be indexed, with its reason and original
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError

from opensearch import mapping
from opensearch.synonyms import Synonyms

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

    def generation(self, number: int) -> str:
        """The name of one generation; sorts by age."""
        return f"{self.alias}-{number:06d}"


def prepare(client: OpenSearch, indices: Indices, synonyms: Synonyms) -> str:
    """Makes whatever index is missing, leaves what is there, and gives the current generation's name."""
    for name, body in ((indices.cursors, _CURSORS), (indices.rejected, _REJECTED)):
        _create(client, name, {"settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}, "mappings": body})
    found = current(client, indices)
    if found is None:
        first = indices.generation(1)
        _create(client, first, {**mapping.body(synonyms), "aliases": {indices.alias: {"is_write_index": True}}})
        found = current(client, indices) or first
    _give_synonyms(client, found, synonyms)
    return found


def _give_synonyms(client: OpenSearch, generation: str, synonyms: Synonyms) -> None:
    """Gives a generation the synonyms as they are now. It is closed for that: searches fail for the moment (0.2 s measured)."""
    held = client.indices.get_mapping(index=generation)[generation]["mappings"].get("_meta", {})
    if held.get("synonyms") == synonyms.version:
        return
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


def _create(client: OpenSearch, name: str, body: dict[str, object]) -> None:
    """Creates an index, or finds that someone else has."""
    if client.indices.exists(index=name):
        return
    try:
        client.indices.create(index=name, body=body)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
