"""The index's generations: `leaflets-000042` behind the alias `leaflets`, and the small indices beside it.

leaflets            alias; searched by searchapi, written by indexer
leaflets-000001     a generation; one more is behind leaflets-kept, which nobody writes: `indexer rollback` goes back to it
leaflets-cursors    one document a source: where its next pull starts, and how the last one went
leaflets-rejected   one document a record that could not be indexed, with its reason and original
leaflets-gaps       one document a word and day: what enough different people searched for and nobody found
leaflets-history    one document a superseded version of a leaflet, see opensearch/history.py
leaflets-operations one document an operation: what goes on (a reindex), what was told (alerts), moved by compare-and-set
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError

from opensearch import mapping, operations
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
        "cool_down": {"type": "float"},
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
_HISTORY = {
    "dynamic": "strict",
    "properties": {
        "leaflet": {"type": "keyword"},
        "version": {"type": "long"},
        "superseded_at": {"type": "date"},
        # As long as a leaflet, and only ever read whole.
        "told": {"type": "binary"},
    },
}


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
    def history(self) -> str:
        """The index of superseded versions."""
        return f"{self.alias}-history"

    @property
    def kept(self) -> str:
        """The alias of the generation that `indexer rollback` goes back to."""
        return f"{self.alias}-kept"

    def made_by(self, holder: str) -> str:
        """The alias of a generation while an operation fills it: what was cleared away can no longer be written by its name."""
        return f"{self.alias}-filling-{holder}"

    def caught_up_by(self, holder: str) -> str:
        """The alias of a kept generation while an operation brings it up to date."""
        return f"{self.alias}-returning-{holder}"

    @property
    def operations(self) -> str:
        """The index of what operations go on: `state` is whatever the operation keeps, see opensearch/held.py."""
        return f"{self.alias}-operations"

    def generation(self, number: int) -> str:
        """The name of one generation; sorts by age."""
        return f"{self.alias}-{number:06d}"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation as it stands. `mapping` is the version that it was made for, 0 where it does not say; `blocked`: nobody may write."""

    name: str
    number: int
    aliases: frozenset[str]
    mapping: int
    blocked: bool


def generations(client: OpenSearch, indices: Indices) -> tuple[Generation, ...]:
    """Every generation there is, by age."""
    found = client.indices.get(index=f"{indices.alias}-*", params={"expand_wildcards": "all"})
    return tuple(
        Generation(
            name,
            int(number[1]),
            frozenset(told["aliases"]),
            int(told["mappings"].get("_meta", {}).get("version", 0)),
            told["settings"]["index"].get("blocks", {}).get("write") == "true",
        )
        for name, told in sorted(found.items())
        if (number := re.fullmatch(rf"{re.escape(indices.alias)}-(\d{{6}})", name))
    )


def prepare(client: OpenSearch, indices: Indices, synonyms: Synonyms, *, lease: float = operations.LEASE) -> str:
    """Makes whatever index is missing, leaves what is there, and gives the current generation's name.

    What an interrupted reindex or rollback left is cleared, once it was watched for `lease` seconds and gave no sign of life.

    Raises OldIndex where the generation was made for another mapping, and SynonymsRejected, with the generation as it was, where edited
    synonyms would join two drugs that it holds.
    """
    _create_small(client, indices.cursors, _CURSORS)
    _create_small(client, indices.rejected, _REJECTED)
    _create_small(client, indices.history, _HISTORY)
    prepare_operations(client, indices)
    operations.end_dead(client, indices.operations, lambda holder: clear(client, indices, holder), lease)
    found = current(client, indices)
    if found is None:
        first = indices.generation(1)
        _create(client, first, {**mapping.body(synonyms), "aliases": {indices.alias: {"is_write_index": True}}})
        found = current(client, indices) or first
    held = client.indices.get_mapping(index=found)[found]["mappings"].get("_meta", {})
    if held.get("version") != mapping.VERSION:
        raise OldIndex(_other_mapping(found, held.get("version")))
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


def _other_mapping(generation: str, version: int | None) -> str:
    if isinstance(version, int) and version > mapping.VERSION:
        return (
            f"the index {generation} was made by a newer program, for mapping {version}; this one writes mapping {mapping.VERSION}. "
            "Searches go on with what it holds. Run the newer program, or `indexer rollback` where the generation before it is still kept"
        )
    return (
        f"the index {generation} was made for mapping {version} and this program writes mapping {mapping.VERSION}; searches go on "
        "with what it holds. Run `indexer reindex` to make it anew from the originals that it keeps, while searches go on "
        "(`indexer reindex --from-sources` pulls every source whole instead)"
    )


def add(client: OpenSearch, indices: Indices, synonyms: Synonyms, holder: str) -> str:
    """Makes one generation more, empty, behind the alias under which its maker may write it; gives its name."""
    number = 1 + max((one.number for one in generations(client, indices)), default=0)
    name = indices.generation(number)
    client.indices.create(index=name, body={**mapping.body(synonyms), "aliases": {indices.made_by(holder): {}}})
    return name


def reopen(client: OpenSearch, indices: Indices, kept: str, holder: str) -> None:
    """Lets one operation write the kept generation."""
    client.indices.put_alias(index=kept, name=indices.caught_up_by(holder))
    unblock(client, kept)


def block(client: OpenSearch, generation: str) -> None:
    """Lets nobody write a generation any more; those who are writing come to their end first."""
    client.indices.add_block(index=generation, block="write")


def unblock(client: OpenSearch, generation: str) -> None:
    """Lets a generation be written again."""
    client.indices.put_settings(index=generation, body={"index": {"blocks": {"write": None}}})


def promote(client: OpenSearch, indices: Indices, new: str, *, instead_of: str, written_as: str) -> None:
    """Puts `new` behind the alias and keeps the one before it, all at once; what was kept until now is let go.

    Fails as a whole where `new` is no longer the one that was `written_as`. The kept one stays blocked: a write that was under way to it
    must not be lost there.
    """
    let_go = [one.name for one in generations(client, indices) if indices.kept in one.aliases]
    letting_go: list[dict[str, object]] = [{"remove": {"index": name, "alias": indices.kept}} for name in let_go]
    actions: list[dict[str, object]] = [
        {"remove": {"index": new, "alias": written_as, "must_exist": True}},
        {"remove": {"index": instead_of, "alias": indices.alias, "must_exist": True}},
        {"add": {"index": new, "alias": indices.alias, "is_write_index": True}},
        *letting_go,
        {"add": {"index": instead_of, "alias": indices.kept}},
    ]
    client.indices.update_aliases(body={"actions": actions})


def clear(client: OpenSearch, indices: Indices, holder: str | None) -> None:
    """Takes away what an operation leaves behind when it ends or dies: half-filled generations, those let go, a write block.

    What another operation than that of `holder` fills stays; None: nobody's does.
    """
    for one in generations(client, indices):
        filling = {alias for alias in one.aliases if alias.startswith((indices.made_by(""), indices.caught_up_by("")))}
        if holder and filling and not filling & {indices.made_by(holder), indices.caught_up_by(holder)}:
            continue
        if indices.alias in one.aliases:
            if one.blocked:
                unblock(client, one.name)
        elif indices.kept not in one.aliases:
            client.indices.delete(index=one.name)
        else:
            if not one.blocked:
                block(client, one.name)
            for alias in filling:
                client.indices.delete_alias(index=one.name, name=alias)


def prepare_operations(client: OpenSearch, indices: Indices) -> None:
    """Makes the index of operations, where there is none."""
    _create_small(client, indices.operations, _OPERATIONS)


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
