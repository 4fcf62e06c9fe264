"""The demonstration leaflets, as the stand-in ERPs hold them: see demo/leaflets/README.md for the files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from leaflets import Category

FOLDER = Path(__file__).with_name("leaflets")


@dataclass(frozen=True, slots=True)
class DemoLeaflet:
    """One leaflet in one stand-in ERP. `active`: its registration stands."""

    name: str
    category: Category
    active: bool
    active_ingredients: tuple[str, ...]
    laboratory: str
    registration: str
    eans: tuple[str, ...]
    audience: str
    updated_at: datetime
    source: str
    source_id: str
    text: str


class BadDemoLeaflet(Exception):
    """A demonstration leaflet's file breaks the rules of its README; the text says where."""


def catalogue(folder: Path = FOLDER) -> tuple[DemoLeaflet, ...]:
    """Every demonstration leaflet, once for each ERP that holds it, by source and id."""
    found = [leaflet for file in sorted(folder.glob("*.txt")) for leaflet in _leaflets(file)]
    return tuple(sorted(found, key=lambda leaflet: (leaflet.source, leaflet.source_id)))


def held_by(source: str) -> tuple[DemoLeaflet, ...]:
    """What one stand-in ERP holds."""
    return tuple(leaflet for leaflet in catalogue() if leaflet.source == source)


def _leaflets(file: Path) -> Iterator[DemoLeaflet]:
    _, head, text = file.read_text(encoding="utf-8").split("+++\n", 2)
    told = tomllib.loads(head)
    leaflet = DemoLeaflet(
        name=told["name"],
        category=Category(told["kind"]),
        active=told.get("active", True),
        active_ingredients=tuple(told["active_ingredients"]),
        laboratory=told["laboratory"],
        registration=told["registration"],
        eans=tuple(told["ean"]),
        audience=told["audience"],
        updated_at=told["updated_at"],
        source=told["source"],
        source_id=told["source_id"],
        text=text.strip(),
    )
    yield leaflet
    for other in told.get("also_in", ()):
        yield replace(
            leaflet,
            source=other["source"],
            source_id=other["source_id"],
            updated_at=other["updated_at"],
            text=_edited(leaflet.text, other["replace"], file),
        )


def _edited(text: str, replacements: list[list[str]], file: Path) -> str:
    for old, new in replacements:
        if text.count(old) != 1:
            message = f"{file.name}: a replacement's old text stands {text.count(old)} times in the leaflet, it must stand once: {old[:60]}"
            raise BadDemoLeaflet(message)
        text = text.replace(old, new)
    return text
