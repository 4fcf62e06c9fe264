"""What our search is measured beside: an index as made in an afternoon. Stock `portuguese` analyser, fuzziness AUTO, name^3 and text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opensearchpy import OpenSearch, helpers

from tests.search.judgements import Document

_MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {"properties": {"name": {"type": "text", "analyzer": "portuguese"}, "text": {"type": "text", "analyzer": "portuguese"}}},
}
# How a plain index shows its answer: the highlighter as it comes, and with five pieces of 200 characters.
HIGHLIGHTS: dict[str, dict[str, int]] = {"default": {}, "5x200": {"number_of_fragments": 5, "fragment_size": 200}}


class PlainIndex:
    """The same leaflets in a plain index; its name holds the product's name and the substances, so that either is found."""

    def __init__(self, client: OpenSearch, name: str, documents: Iterable[Document]) -> None:
        self._client = client
        self._name = name
        client.indices.create(index=name, body=_MAPPING)
        helpers.bulk(client, ({"_index": name, "_id": d.id, "name": f"{d.name} ({d.substances})", "text": d.text} for d in documents))
        client.indices.refresh(index=name)

    def leaflets(self, question: str) -> tuple[str, ...]:
        """The ids of the first ten."""
        return tuple(hit["_id"] for hit in self._ask(question, {}, 10))

    def shown(self, question: str, highlights: str) -> str:
        """The first one's highlights, with one of HIGHLIGHTS."""
        hits = self._ask(question, {"highlight": {"fields": {"text": HIGHLIGHTS[highlights]}}}, 1)
        return " ".join(part for hit in hits for part in hit.get("highlight", {}).get("text", ()))

    def remove(self) -> None:
        """Deletes it."""
        self._client.indices.delete(index=self._name)

    def _ask(self, question: str, extra: dict[str, Any], size: int) -> Any:
        query = {"multi_match": {"query": question, "fields": ["name^3", "text"], "fuzziness": "AUTO"}}
        body = {"query": query, "size": size, "_source": False, **extra}
        return self._client.search(index=self._name, body=body)["hits"]["hits"]
