"""The names that the index holds, read whole: what may be asked for, and what no synonym may join."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opensearchpy import OpenSearch, helpers

_FIELDS = ["name", "active_ingredients", "ingredient_keys", "registration", "eans", "laboratory"]


@dataclass(frozen=True, slots=True)
class Named:
    """The names of one indexed leaflet."""

    name: str
    active_ingredients: tuple[str, ...]
    ingredient_keys: tuple[str, ...]
    registration: str
    eans: tuple[str, ...]
    laboratory: str = ""


def names(client: OpenSearch, index: str, *, preference: str | None = None) -> Iterator[Named]:
    """The names of every leaflet that stands in an index or behind an alias, in no order; `preference` may choose which copy is read."""
    body = {"query": {"term": {"withdrawn": False}}, "_source": _FIELDS}
    for hit in helpers.scan(client, index=index, query=body, size=2000, preference=preference):
        told = hit["_source"]
        yield Named(
            told["name"],
            tuple(told["active_ingredients"]),
            tuple(told["ingredient_keys"]),
            told["registration"],
            tuple(told["eans"]),
            told["laboratory"],
        )
