"""A folder of PDFs, one leaflet each, and what changed in it, found by content.

    [sources.pasta]
    type = "folder"
    path = "bulas"
    metadata = "index.csv"

The cursor is what the folder held: each file's name with the hash of its bytes and of its metadata row. So a file restored from a backup
with its old date, copied over with its date kept, or touched without a change is seen as what it is. Every pull lists the folder whole.
Packed it takes 22 bytes a file: 111 kB for 5,000 files in 37 folders, made and packed in 15 ms.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import Field
from rapidfuzz import process

from indexer.sources.base import Ahead, Page, SourceDown, SourceRefused
from indexer.sources.http import text
from indexer.sources.records import UnreadableRecord, audience, listed
from indexer.sources.tables import Described, FilePath, SourceTable, Surroundings
from indexer.sources.window import version
from leaflets import Change, Content, Facts, Unreadable, register

COLUMNS = ("file", "name", "active_ingredients", "laboratory", "registration", "ean", "audience", "category", "active", "updated_at")
# A page is handed on when it holds so many files or bytes, so that memory stays bounded.
_FILES_A_PAGE = 100
_BYTES_A_PAGE = 64_000_000
# 64 bits: two contents of one file's name take each other's place by chance once in 10^19.
_HASH_BYTES = 8


class FolderTable(SourceTable):
    """A source of type folder."""

    type: Literal["folder"] = Field(examples=['"folder"'])
    """A folder of PDFs."""

    path: FilePath = Field(examples=['"bulas"'])
    """The folder; all below it is read. A relative path starts where the sources file lies."""

    metadata: str | None = Field(default=None, examples=['"index.csv"'])
    """A CSV file in the folder that says what the files are, with the columns file, name, active_ingredients, laboratory, registration,
    ean, audience, category, active and updated_at, of which only `file` is needed. UTF-8 or Windows-1252, with , or ; between the
    columns."""

    max_bytes: int = Field(default=50_000_000, gt=0, examples=["50_000_000"])
    """The largest file that is read."""

    def source(self, name: str, where: Surroundings) -> FolderSource:
        """The source that this table describes."""
        del where
        return FolderSource(name, self)


@dataclass(frozen=True, slots=True)
class _Row:
    """What the metadata say of one file, and where they say it."""

    where: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _File:
    """A PDF of the folder; `told` is its path below the folder, as text."""

    path: Path
    told: str

    @property
    def source_id(self) -> str:
        """Its path without .pdf."""
        return self.told[: -len(".pdf")]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was read: its hash, and what it is now unless it is what it was."""

    file: _File
    mark: str | None
    change: Change | Unreadable | None

    @property
    def bytes(self) -> int:
        """How much of it is in memory."""
        return sum(len(content.body) for content in self.change.contents) if isinstance(self.change, Change) else 0


@dataclass(frozen=True, slots=True)
class _Held:
    """What the folder held when a pull ended: each file's hash by its path, and the largest version that was given so far."""

    marks: Mapping[str, str] = field(default_factory=dict)
    version: int = 0


class FolderSource(Described):
    """See the module. `now` is our clock."""

    def __init__(self, name: str, table: FolderTable, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(name, table)
        self._table = table
        self._now = now

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """See Source. Each page has a cursor, and the last one is complete.

        A version is the time of the pull that found it, because a file's own date may go back; where our clock did, it is just above
        that of the pull before.
        """
        del names
        before = _unpacked(since, or_nothing=whole)
        files = self.breaker.call(self._files)
        self._must_not_be_emptied(before, files)
        rows = self._rows()
        known = {} if whole else before.marks
        pull = max(version(self._now()), before.version + 1)
        marks, given = dict(known), before.version
        page: list[_Seen] = []
        unchanged: list[str] = []
        for seen in ahead(partial(self._seen, file, rows.get(file.told), known.get(file.told), pull) for file in files):
            marks |= {seen.file.told: seen.mark} if seen.mark else {}
            if seen.change is None:
                unchanged.append(seen.file.source_id)
                continue
            page.append(seen)
            given = pull
            if len(page) >= _FILES_A_PAGE or sum(one.bytes for one in page) >= _BYTES_A_PAGE:
                yield Page(_changes(page), _packed(_Held(marks, given)), tuple(unchanged))
                page, unchanged = [], []
        there = {file.told for file in files}
        unknown = [_without_file(row, told) for told, row in rows.items() if told not in there]
        kept = {told: mark for told, mark in marks.items() if told in there}
        yield Page((*_changes(page), *unknown), _packed(_Held(kept, given)), tuple(unchanged), complete=True)

    def check(self) -> str:
        """See Source."""
        rows = f", {len(self._rows())} rows of metadata" if self._table.metadata else ""
        return f"{len(self._files())} PDFs below {self._table.path}{rows}"

    def _files(self) -> tuple[_File, ...]:
        """The folder's PDFs by path. Links to folders are not followed, nor are files that lie elsewhere."""
        root = self._table.path

        def fail(error: OSError) -> None:
            message = f"{error.filename} cannot be read: {error.strerror}; is the folder there, and mounted?"
            raise SourceDown(message)

        home = root.resolve()
        found: dict[str, _File] = {}
        for folder, _, names in os.walk(root, onerror=fail):
            for name in names:
                path = Path(folder, name)
                if name.lower().endswith(".pdf") and path.resolve().is_relative_to(home):
                    told = _told(path.relative_to(root))
                    found[told] = _File(path, told)
        return tuple(found[told] for told in sorted(found))

    def _must_not_be_emptied(self, before: _Held, files: tuple[_File, ...]) -> None:
        """Raises SourceDown where all files are gone at once: so looks a share that is not mounted."""
        if before.marks and not files and self.max_missing < 1:
            message = (
                f"there is no PDF below {self._table.path} any more, though there were {len(before.marks)}: nothing was withdrawn."
                " Is the folder mounted? If they were all removed on purpose, set max_missing = 1 for one pull"
            )
            raise SourceDown(message)

    def _seen(self, file: _File, row: _Row | None, known: str | None, pull: int) -> _Seen:
        """One file read, and what it is where that is news."""
        try:
            size = file.path.stat().st_size
            if size > self._table.max_bytes:
                return self._refused(file, pull, f"it has {size:,} bytes, more than max_bytes = {self._table.max_bytes:,}")
            body = file.path.read_bytes()
            modified = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
        except OSError as error:
            return self._refused(file, pull, f"it cannot be read: {error.strerror}")
        mark = sha256(body + repr(sorted(row.cells.items()) if row else None).encode()).hexdigest()[: 2 * _HASH_BYTES]
        if mark == known:
            return _Seen(file, mark, None)
        try:
            facts, updated_at = _facts(row), _updated_at(row) or modified
        except UnreadableRecord as error:
            return _Seen(file, mark, Unreadable(file.source_id, pull, f"{row.where if row else ''}: {error}", file.told))
        change = Change(file.source_id, updated_at, pull, facts, (Content(body, "application/pdf"),))
        return _Seen(file, mark, change)

    def _refused(self, file: _File, pull: int, reason: str) -> _Seen:
        """A file that could not be read; it is not marked as seen, so the next pull tries it again."""
        return _Seen(file, None, Unreadable(file.source_id, pull, f"{file.told}: {reason}", file.told))

    def _rows(self) -> Mapping[str, _Row]:
        """The metadata by file. Raises SourceRefused where they cannot be used as they are."""
        if self._table.metadata is None:
            return {}
        path = self._table.path / self._table.metadata
        try:
            told = text(path.read_bytes(), None)
        except OSError as error:
            message = f"the metadata {path} cannot be read: {error.strerror}"
            raise SourceRefused(message) from None
        return dict(_parsed(told, path.name))


def _parsed(told: str, name: str) -> Iterator[tuple[str, _Row]]:
    header = told.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(told, newline=""), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True)
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        _must_be_known(columns, name)
        reader.fieldnames = columns
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                message = f"{where} has more or fewer cells than the header has columns; put a cell with a separator in it into quotes"
                raise SourceRefused(message)
            file = _told(Path(row["file"].strip()))
            file = file if file.lower().endswith(".pdf") else f"{file}.pdf"
            yield file, _Row(where, {column: cell.strip() for column, cell in row.items()})
    except csv.Error as error:
        message = f"{name}, line {reader.line_num}, is no CSV: {error}"
        raise SourceRefused(message) from None


def _must_be_known(columns: list[str], name: str) -> None:
    for column in columns:
        if column not in COLUMNS:
            nearest = process.extractOne(column, COLUMNS)
            message = f"{name} has an unknown column {column!r}; did you mean {nearest[0]!r}? There are: {', '.join(COLUMNS)}"
            raise SourceRefused(message)
    if "file" not in columns:
        message = f"{name} has no column 'file', which says which PDF a row is about"
        raise SourceRefused(message)


def _facts(row: _Row | None) -> Facts:
    """What a row says of its file; raises UnreadableRecord where a cell means nothing."""
    if row is None:
        return Facts()
    told = row.cells.get
    return Facts(
        name=told("name", ""),
        active_ingredients=listed(told("active_ingredients"), r"[+;]|,(?!\d)"),
        laboratory=told("laboratory", ""),
        registration=told("registration", ""),
        eans=listed(told("ean"), r"[;,]"),
        audience=audience(told("audience")),
        category=register.category(told("category")),
        active=register.active(told("active")),
    )


def _updated_at(row: _Row | None) -> datetime | None:
    told = row.cells.get("updated_at", "") if row else ""
    try:
        at = datetime.fromisoformat(told) if told else None
    except ValueError:
        message = f"updated_at {told[:40]!r} is no date; write it like 2026-11-22 or 2026-11-22T10:30:00-03:00"
        raise UnreadableRecord(message) from None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _without_file(row: _Row, told: str) -> Unreadable:
    reason = f"{row.where} names {told}, which is not in the folder"
    return Unreadable(told[: -len(".pdf")], 0, reason, json.dumps(row.cells), present=False)


def _changes(page: list[_Seen]) -> tuple[Change | Unreadable, ...]:
    return tuple(seen.change for seen in page if seen.change)


def _told(path: Path) -> str:
    """A path as text: with slashes, in one Unicode form (macOS writes accents apart), bytes that are no text shown as such."""
    return unicodedata.normalize("NFC", path.as_posix()).encode("utf-8", "backslashreplace").decode()


def _packed(held: _Held) -> str:
    told = {"version": held.version, "files": held.marks}
    return base64.b64encode(zlib.compress(json.dumps(told, ensure_ascii=False, sort_keys=True).encode(), 9)).decode()


def _unpacked(cursor: str | None, *, or_nothing: bool) -> _Held:
    if cursor is None:
        return _Held()
    try:
        told = json.loads(zlib.decompress(base64.b64decode(cursor)))
        # Before versions were kept, the cursor was the files alone; their names end with .pdf.
        files = told.get("files", told)
        return _Held({str(file): str(mark) for file, mark in files.items()}, int(told.get("version", 0)))
    except (ValueError, zlib.error, AttributeError):
        if or_nothing:
            return _Held()
        message = "the stored cursor is another kind of source's: read this one anew with `indexer sync --full`"
        raise SourceRefused(message) from None
