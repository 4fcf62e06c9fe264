"""sources.toml: read whole, every mistake in it found at once, each told with an example of how to write it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from rapidfuzz import fuzz, process

from indexer.sources.base import Source
from indexer.sources.bling import BlingTable
from indexer.sources.dolibarr import DolibarrTable
from indexer.sources.folder import FolderTable
from indexer.sources.frappe import FrappeTable
from indexer.sources.odoo import OdooTable
from indexer.sources.omie import OmieTable
from indexer.sources.pace import Rates
from indexer.sources.protheus import ProtheusTable
from indexer.sources.rest import RestTable
from indexer.sources.s4hana import S4hanaTable
from indexer.sources.sankhya import SankhyaTable
from indexer.sources.sap_b1 import SapB1Table
from indexer.sources.sql import SqlTable
from indexer.sources.tables import SourceTable, Surroundings
from indexer.sources.tryton import TrytonTable

# A new kind of ERP is one line here.
TYPES: Mapping[str, type[SourceTable]] = {
    "bling": BlingTable,
    "dolibarr": DolibarrTable,
    "folder": FolderTable,
    "frappe": FrappeTable,
    "odoo": OdooTable,
    "omie": OmieTable,
    "protheus": ProtheusTable,
    "rest": RestTable,
    "sankhya": SankhyaTable,
    "s4hana": S4hanaTable,
    "sap_b1": SapB1Table,
    "sql": SqlTable,
    "tryton": TrytonTable,
}

# Below this two names are not the same one misspelled ("type" and "path" have 50).
_ALIKE = 60
_EXAMPLE = '[sources.pasta]\ntype = "folder"\npath = "bulas"'


class Misconfigured(Exception):
    """The sources file cannot be used as it is: mend what the text lists, all of it found at once, and start again."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def configured(path: Path, environ: Mapping[str, str], redis_url: str | None = None) -> tuple[Source, ...]:
    """The sources that a sources.toml describes, in its order; raises Misconfigured with all that is wrong in it.

    `redis_url` is where processes count together how often they ask an ERP; None: each counts by itself.
    """
    told = _toml(path)
    surroundings = Surroundings(environ, path.parent, Rates(redis_url))
    problems = [f"{path}: [{key}] is unknown{_nearest(key, ['sources'])}" for key in told if key != "sources"]
    tables = told.get("sources")
    if not isinstance(tables, dict) or not tables:
        raise Misconfigured([*problems, f"{path} names no source; for example\n{_EXAMPLE}"])
    sources: list[Source] = []
    for name, table in tables.items():
        try:
            sources.append(_source(name, table, surroundings))
        except Misconfigured as wrong:
            problems += (f"{path}: [sources.{name}] {problem}" for problem in wrong.problems)
    if problems:
        raise Misconfigured(problems)
    return tuple(sources)


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise Misconfigured([f"there is no sources file at {path}: write one that names your ERPs, for example\n{_EXAMPLE}"]) from None
    except OSError as error:
        raise Misconfigured([f"{path} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise Misconfigured([f"{path} is not UTF-8: save it in that encoding"]) from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured([f"{path} is not TOML: {error}"]) from None


def _source(name: str, table: object, surroundings: Surroundings) -> Source:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise Misconfigured(["its name must be of letters, digits, - and _, at most 64, for example [sources.matriz]"])
    if not isinstance(table, dict):
        raise Misconfigured([f"must be a table, for example\n{_EXAMPLE}"])
    kind = str(table.get("type", ""))
    if kind not in TYPES:
        told = f"type {kind[:40]!r} is unknown{_nearest(kind, TYPES)}" if kind else "type is missing"
        raise Misconfigured([f'{told}; for example type = "rest". There are: {", ".join(sorted(TYPES))}'])
    try:
        return TYPES[kind].model_validate(table, context=surroundings).source(name, surroundings)
    except ValidationError as wrong:
        raise Misconfigured([_problem(TYPES[kind], error) for error in wrong.errors()]) from None


def _problem(table: type[SourceTable], error: ErrorDetails) -> str:
    """What is wrong with one key. It never quotes the value, which may be a secret in the wrong place."""
    place = _Place(table)
    for part in error["loc"]:
        place.enter(str(part))
    key = ".".join(place.path)
    last = place.path[-1] if place.path else ""
    example = f"; for example {last} = {place.example}" if place.example else ""
    match error["type"]:
        case "extra_forbidden":
            return f"{key} is unknown{_nearest(last, place.siblings)}"
        case "missing":
            return f"{key} is missing{example}"
        case "value_error":
            return f"{key} {error['ctx']['error']}{example}".lstrip()
        case "union_tag_invalid" | "union_tag_not_found":
            return f"{key} needs {error['ctx']['discriminator']} to be one of: {_tags(error)}{example}"
    return f"{key}: {error['msg'][:1].lower()}{error['msg'][1:]}{example}"


def _tags(error: ErrorDetails) -> str:
    return str(error.get("ctx", {}).get("expected_tags", "")) or "those that the example shows"


class _Place:
    """Follows pydantic's path to a mistake, and knows the keys on the way: what is next to it, and how it is written."""

    def __init__(self, table: type[BaseModel]) -> None:
        self.path: list[str] = []
        self.example = ""
        self.siblings: tuple[str, ...] = ()
        self._tables: tuple[type[BaseModel], ...] = (table,)

    def enter(self, part: str) -> None:
        """One step down: into a key, or into the one of several tables that a tag chose."""
        chosen = tuple(table for table in self._tables if part in _tags_of(table))
        if chosen:
            self._tables = chosen
            return
        fields = {key: info for table in self._tables for key, info in _keys(table).items()}
        self.siblings = tuple(fields)
        info = fields.get(part)
        if info is not None or not _is_machinery(part):
            self.path.append(part)
        self.example = str(info.examples[0]) if info is not None and info.examples else ""
        self._tables = tuple(_tables_in(info.annotation)) if info is not None else ()


def _is_machinery(part: str) -> bool:
    """Whether pydantic and not the file's author wrote this step: a validator's name or a member of a union."""
    return bool(re.search(r"[\[(]", part))


def _keys(table: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in table.model_fields.items()}


def _tags_of(table: type[BaseModel]) -> tuple[str, ...]:
    """The values by which a union of tables chooses this one."""
    tags = [get_args(info.annotation) for key, info in table.model_fields.items() if key in ("type", "by")]
    return tuple(tag for values in tags for tag in values if isinstance(tag, str))


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _tables_in(inner)


def _nearest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    found = process.extractOne(name, list(known), scorer=fuzz.ratio, score_cutoff=_ALIKE)
    return f"; did you mean {found[0]!r}?" if found else ""
