"""The folder source on real folders: what changed is found by content, every listing is whole, and versions only grow."""

from __future__ import annotations

import base64
import json
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.breaker import FAILURES, BreakerOpen
from indexer.sources.base import SourceDown, SourceRefused, in_turn
from indexer.sources.folder import FolderSource, FolderTable
from indexer.sources.tables import Surroundings
from leaflets import Audience, Category, Change, Unreadable
from tests.sources.standin import gathered, pull, source_of

DATE = 1_790_000_000


def pdf(folder: Path, name: str, text: str = "x", date: int = DATE) -> Path:
    """A file that begins as a PDF, of a certain date."""
    path = folder / "bulas" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"%PDF-1.4 " + text.encode())
    os.utime(path, (date, date))
    return path


def folder_of(tmp_path: Path, *lines: str) -> Any:
    """A source of type folder on tmp_path/bulas."""
    (tmp_path / "bulas").mkdir(exist_ok=True)
    return source_of(tmp_path, "\n".join(['type = "folder"', 'path = "bulas"', *lines]))


def index(tmp_path: Path, text: str, encoding: str = "utf-8") -> None:
    """The folder's metadata."""
    (tmp_path / "bulas").mkdir(exist_ok=True)
    (tmp_path / "bulas" / "index.csv").write_bytes(text.encode(encoding))


METADATA = 'metadata = "index.csv"'


def test_all_pdfs_below_the_folder_are_given_and_nothing_else(tmp_path: Path) -> None:
    """In the order of their paths; the id is the path without .pdf, whatever its case."""
    for name in ("b.pdf", "a/é.PDF", "a/z.pdf", "leia-me.txt", "a.pdf.bak"):
        pdf(tmp_path, name)
    pulled = pull(folder_of(tmp_path))
    assert pulled.ids == ["a/z", "a/é", "b"]
    change = pulled.changes[0]
    assert isinstance(change, Change)
    assert change.contents[0].media_type == "application/pdf"
    assert change.contents[0].body == b"%PDF-1.4 x"
    assert change.updated_at == datetime.fromtimestamp(DATE, UTC)
    assert change.facts.name == ""


def test_an_unchanged_file_is_not_given_again(tmp_path: Path) -> None:
    """Nor one that was only touched: content is what counts."""
    path = pdf(tmp_path, "a.pdf")
    source = folder_of(tmp_path)
    first = pull(source)
    os.utime(path)
    second = pull(source, first.cursor)
    assert second.changes == ()
    assert second.unchanged == ("a",)
    assert second.cursor == first.cursor


def test_a_file_that_was_replaced_by_an_older_one_is_newer(tmp_path: Path) -> None:
    """Restored from a backup with its old date: its version is the time of the pull that found it, not the file's."""
    pdf(tmp_path, "a.pdf", "nova", DATE)
    source = folder_of(tmp_path)
    first = pull(source)
    pdf(tmp_path, "a.pdf", "velha", DATE - 1000)
    second = pull(source, first.cursor)
    assert second.change.contents[0].body.endswith(b"velha")
    assert second.change.version > first.change.version


def test_a_file_of_the_same_size_and_date_but_other_content_is_found(tmp_path: Path) -> None:
    """As a copy that keeps dates makes it."""
    pdf(tmp_path, "a.pdf", "10mg")
    source = folder_of(tmp_path)
    first = pull(source)
    pdf(tmp_path, "a.pdf", "90mg")
    assert pull(source, first.cursor).ids == ["a"]


def test_a_file_that_went_is_not_named_by_a_complete_listing(tmp_path: Path) -> None:
    """All others are, changed or not: so the pull knows what to withdraw. When it comes back as it was, it is given anew."""
    for number in range(3):
        pdf(tmp_path, f"{number}.pdf")
    source = folder_of(tmp_path)
    first = pull(source)
    assert first.complete
    (tmp_path / "bulas" / "1.pdf").unlink()
    pdf(tmp_path, "2.pdf", "nova")
    second = pull(source, first.cursor)
    assert (second.ids, second.unchanged, second.complete) == (["2"], ("0",), True)
    pdf(tmp_path, "1.pdf")
    assert pull(source, second.cursor).ids == ["1"]


def test_a_pull_of_everything_gives_every_file_again(tmp_path: Path) -> None:
    """Changed or not, with versions above those before; a cursor that means nothing is then no hindrance."""
    pdf(tmp_path, "a.pdf")
    source = folder_of(tmp_path)
    first = pull(source)
    second = pull(source, first.cursor, whole=True)
    assert (second.ids, second.unchanged, second.complete) == (["a"], (), True)
    assert second.change.version > first.change.version
    assert pull(source, "2026-11-02T10:00:00.000000Z", whole=True).ids == ["a"]


@pytest.mark.parametrize("whole", [False, True])
def test_versions_grow_though_our_clock_steps_back(tmp_path: Path, whole: bool) -> None:  # noqa: FBT001 pytest gives it by name
    """Else what was edited after the step would count as older than what is stored. A pull that gives nothing uses no version up."""
    (tmp_path / "bulas").mkdir()
    times = iter([datetime(2026, 11, 2, 10, tzinfo=UTC), *[datetime(2026, 11, 2, 9, tzinfo=UTC)] * 3])
    table = FolderTable.model_validate({"type": "folder", "path": "bulas"}, context=Surroundings({}, tmp_path))
    source = FolderSource("pasta", table, now=lambda: next(times))
    pdf(tmp_path, "a.pdf", "1")
    first = pull(source)
    pdf(tmp_path, "a.pdf", "2")
    second = pull(source, first.cursor, whole=whole)
    third = pull(source, second.cursor)
    assert third.cursor == second.cursor
    pdf(tmp_path, "a.pdf", "3")
    fourth = pull(source, third.cursor, whole=whole)
    assert [pulled.change.version - first.change.version for pulled in (second, fourth)] == [1, 2]


def test_a_cursor_of_before_versions_were_kept_is_understood(tmp_path: Path) -> None:
    """It was the files alone."""
    pdf(tmp_path, "a.pdf")
    source = folder_of(tmp_path)
    kept = json.loads(zlib.decompress(base64.b64decode(pull(source).cursor or "")))["files"]
    old = base64.b64encode(zlib.compress(json.dumps(kept).encode())).decode()
    assert pull(source, old).unchanged == ("a",)


def test_a_folder_whose_files_are_all_gone_is_down(tmp_path: Path) -> None:
    """So looks the place of a share that is not mounted. It can be emptied on purpose all the same."""
    pdf(tmp_path, "a.pdf")
    cursor = pull(folder_of(tmp_path)).cursor
    (tmp_path / "bulas" / "a.pdf").unlink()
    for whole in (False, True):
        with pytest.raises(SourceDown, match=r"mounted\?.*max_missing = 1"):
            pull(folder_of(tmp_path), cursor, whole=whole)
    emptied = pull(folder_of(tmp_path, "max_missing = 1.0"), cursor)
    assert (emptied.changes, emptied.unchanged, emptied.complete) == ((), (), True)


def test_a_folder_that_is_down_opens_its_breaker(tmp_path: Path) -> None:
    """A listing is its one request."""
    source = source_of(tmp_path, 'type = "folder"\npath = "nowhere"')
    for _ in range(FAILURES):
        with pytest.raises(SourceDown, match="nowhere"):
            pull(source)
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(BreakerOpen):
        pull(source)
    source.breaker.probe_now()
    assert pull(source).complete


def test_a_folder_that_is_not_there_is_down(tmp_path: Path) -> None:
    """And withdraws nothing."""
    source = source_of(tmp_path, 'type = "folder"\npath = "nowhere"')
    with pytest.raises(SourceDown, match="mounted"):
        pull(source)


def test_a_folder_that_is_empty_from_the_start_is_no_fault(tmp_path: Path) -> None:
    """The PDFs may come later."""
    source = folder_of(tmp_path)
    first = pull(source)
    assert first.changes == ()
    pdf(tmp_path, "a.pdf")
    assert pull(source, first.cursor).ids == ["a"]


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """Neither to files nor to folders; one that stays within is a file like another."""
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "s.pdf").write_bytes(b"%PDF-1.4 secret")
    inside = pdf(tmp_path, "a.pdf")
    (tmp_path / "bulas" / "file.pdf").symlink_to(outside / "s.pdf")
    (tmp_path / "bulas" / "folder").symlink_to(outside)
    (tmp_path / "bulas" / "round").symlink_to(tmp_path / "bulas")
    (tmp_path / "bulas" / "b.pdf").symlink_to(inside)
    assert pull(folder_of(tmp_path)).ids == ["a", "b"]


def test_a_file_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path) -> None:
    """It is not marked as seen: once it can be read, it is given though nothing else about it changed."""
    pdf(tmp_path, "big.pdf", "x" * 1000)
    pdf(tmp_path, "small.pdf")
    first = pull(folder_of(tmp_path, "max_bytes = 100"))
    big, small = first.changes
    assert isinstance(big, Unreadable)
    assert "1,009 bytes" in big.reason
    assert isinstance(small, Change)
    assert big.present
    assert first.complete
    assert pull(folder_of(tmp_path), first.cursor).ids == ["big"]


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    """As a file whose target within the folder went."""
    pdf(tmp_path, "a.pdf")
    (tmp_path / "bulas" / "broken.pdf").symlink_to(tmp_path / "bulas" / "gone.pdf")
    _, broken = pull(folder_of(tmp_path)).changes
    assert isinstance(broken, Unreadable)
    assert "cannot be read" in broken.reason


def test_names_in_any_unicode_form_or_none_have_one_id(tmp_path: Path) -> None:
    """As macOS writes accents: apart. A name that is no text is shown with its bytes."""
    pdf(tmp_path, "ac\u0327a\u0303o.pdf")
    raw = os.fsencode(tmp_path / "bulas") + b"/\xe7.pdf"
    with open(raw, "wb") as file:  # noqa: PTH123 pathlib takes no bytes
        file.write(b"%PDF-1.4")
    ids = pull(folder_of(tmp_path)).ids
    assert ids == ["\\udce7", "ação"]


@pytest.mark.parametrize(("encoding", "separator"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", ";"), ("cp1252", ",")])
def test_metadata_say_what_a_file_is(tmp_path: Path, encoding: str, separator: str) -> None:
    """In the encodings and with the separators of the spreadsheets that people have; with or without .pdf."""
    pdf(tmp_path, "a/dipirona.pdf")
    header = "file,name,active_ingredients,laboratory,registration,ean,audience,category,active,updated_at".replace(",", separator)
    row = "a/dipirona,Solução,dipirona + cafeína,Lab,1.0000.0000,789,professional,GENÉRICO,Ativo,2026-11-02".replace(",", separator)
    index(tmp_path, f"{header}\r\n{row}\r\n", encoding)
    change = pull(folder_of(tmp_path, METADATA)).change
    assert (change.facts.name, change.facts.active_ingredients) == ("Solução", ("dipirona", "cafeína"))
    assert (change.facts.laboratory, change.facts.registration, change.facts.eans) == ("Lab", "1.0000.0000", ("789",))
    assert change.facts.audience is Audience.PROFESSIONAL
    assert (change.facts.category, change.facts.active) == (Category.GENERIC, True)
    assert change.updated_at == datetime(2026, 11, 2, tzinfo=UTC)


def test_a_changed_row_gives_its_file_again(tmp_path: Path) -> None:
    """And no other file."""
    pdf(tmp_path, "a.pdf")
    pdf(tmp_path, "b.pdf")
    index(tmp_path, "file,name\na,Um\nb,Dois\n")
    source = folder_of(tmp_path, METADATA)
    cursor = pull(source).cursor
    index(tmp_path, "file,name\nb,Três\na,Um\n")
    assert pull(source, cursor).change.facts.name == "Três"


def test_a_row_without_its_file_is_told(tmp_path: Path) -> None:
    """With the line it stands on. A row alone is no leaflet: one that was there before is to be withdrawn."""
    pdf(tmp_path, "a.pdf")
    index(tmp_path, "file,name\na,Um\nb,Dois\n")
    pulled = pull(folder_of(tmp_path, METADATA))
    _, missing = pulled.changes
    assert isinstance(missing, Unreadable)
    assert missing.source_id == "b"
    assert "index.csv, line 3" in missing.reason
    assert not missing.present
    assert pulled.complete


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,laboratorio\na,b\n", "did you mean 'laboratory'"),
        ("name\na\n", "no column 'file'"),
        ("file,name\na,b,c\n", "line 2 has more or fewer cells"),
        ("file,name\na\n", "line 2 has more or fewer cells"),
        ('file,name\na,"b\n', "no CSV"),
        ("", "no column 'file'"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(tmp_path: Path, text: str, says: str) -> None:
    """Rather than used in part."""
    index(tmp_path, text)
    with pytest.raises(SourceRefused, match=says):
        pull(folder_of(tmp_path, METADATA))


def test_metadata_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """Without them all leaflets would lose their facts."""
    with pytest.raises(SourceRefused, match=r"index\.csv"):
        pull(folder_of(tmp_path, METADATA))


@pytest.mark.parametrize(("column", "cell"), [("audience", "everyone"), ("updated_at", "ontem")])
def test_a_cell_that_means_nothing_is_its_files_own_matter(tmp_path: Path, column: str, cell: str) -> None:
    """Told with its line; the other files are given."""
    pdf(tmp_path, "a.pdf")
    pdf(tmp_path, "b.pdf")
    index(tmp_path, f"file,{column}\na,{cell}\nb,\n")
    wrong, right = pull(folder_of(tmp_path, METADATA)).changes
    assert isinstance(wrong, Unreadable)
    assert cell in wrong.reason
    assert "line 2" in wrong.reason
    assert right.source_id == "b"


def test_a_pull_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    """Each page has a cursor: what was settled is not read again, and nothing is withdrawn for not having been reached."""
    for number in range(250):
        pdf(tmp_path, f"{number:03}.pdf", str(number))
    source = folder_of(tmp_path)
    pages = source.pages(None, in_turn)
    first = next(pages)
    pages.close()
    assert len(first.changes) == 100
    rest = pull(source, first.cursor)
    assert rest.ids == [f"{number:03}" for number in range(100, 250)]


def test_pages_are_bounded_by_bytes_too(tmp_path: Path) -> None:
    """A hundred of the largest files would not fit into memory."""
    for number in range(5):
        pdf(tmp_path, f"{number}.pdf", "x" * 30_000_000)
    assert [len(page.changes) for page in folder_of(tmp_path).pages(None, in_turn)] == [3, 2]


def test_another_kind_of_sources_cursor_is_refused(tmp_path: Path) -> None:
    """As when the source's type was changed in sources.toml."""
    with pytest.raises(SourceRefused, match="sync --full"):
        pull(folder_of(tmp_path), "2026-11-02T10:00:00.000000Z")


def test_check_says_what_is_there(tmp_path: Path) -> None:
    """How many PDFs and how many rows."""
    pdf(tmp_path, "a.pdf")
    index(tmp_path, "file\na\n")
    assert folder_of(tmp_path, METADATA).check() == f"1 PDFs below {tmp_path / 'bulas'}, 1 rows of metadata"


def test_the_cursor_of_many_files_stays_small(tmp_path: Path) -> None:
    """It is stored with each page: some 30 bytes a file at the most."""
    for number in range(1000):
        pdf(tmp_path, f"laboratorio-{number % 37}/cloridrato-de-remedio-{number}.pdf", str(number))
    cursor = gathered(folder_of(tmp_path).pages(None, in_turn)).cursor
    assert cursor is not None
    assert len(cursor) < 30_000
