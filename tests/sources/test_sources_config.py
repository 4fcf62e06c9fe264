"""sources.toml: what it may say, and how each mistake in it is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from indexer.sources.config import TYPES, Misconfigured, configured
from indexer.sources.rest import RestTable
from indexer.sources.tables import Surroundings

REST = 'type = "rest"\nurl = "https://erp.example"\nrecords = "items"\nfields = { id = "id", text = "text" }\n'
SQL = 'type = "sql"\nurl = "sqlite:///erp.sqlite"\nquery = "SELECT * FROM a"\nfields = { id = "id", text = "text" }\n'
TRYTON = 'type = "tryton"\nurl = "https://erp.example"\ndatabase = "d"\nusername = "u"\npassword = { env = "SECRET" }\n'
FOLDER = 'type = "folder"\npath = "bulas"\n'


def written(folder: Path, toml: str) -> Path:
    """A sources file."""
    file = folder / "sources.toml"
    file.write_text(toml)
    return file


def problems(folder: Path, toml: str, **environ: str) -> tuple[str, ...]:
    """What is wrong with a sources file."""
    with pytest.raises(Misconfigured) as wrong:
        configured(written(folder, toml), environ)
    return wrong.value.problems


def problem(folder: Path, table: str, **environ: str) -> str:
    """The one thing that is wrong with a table."""
    (only,) = problems(folder, f"[sources.erp]\n{table}", **environ)
    return only.partition("[sources.erp] ")[2]


def test_every_type_is_configured_by_its_least(tmp_path: Path) -> None:
    """In the order of the file, with the common keys' defaults."""
    toml = f"[sources.matriz]\n{REST}[sources.filial]\n{SQL}[sources.pasta]\n{FOLDER}[sources.loja]\n{TRYTON}"
    sources = configured(written(tmp_path, toml), {"SECRET": "s3cret"})
    assert [source.name for source in sources] == ["matriz", "filial", "pasta", "loja"]
    assert [(source.every, source.max_in_flight) for source in sources] == [(None, 4)] * 4
    assert [(source.scan_every, source.max_missing) for source in sources] == [(timedelta(days=1), 0.2)] * 4
    assert all(source.breaker.closed for source in sources)
    assert len({id(source.breaker) for source in sources}) == 4


def test_the_common_keys_are_taken(tmp_path: Path) -> None:
    """How often, how many requests at once, how often whole, and how much may vanish."""
    keys = 'every = "1h30m"\nmax_in_flight = 2\nscan_every = "12h"\nmax_missing = 0.5\n'
    (source,) = configured(written(tmp_path, f"[sources.a]\n{FOLDER}{keys}"), {})
    assert (source.every, source.max_in_flight) == (timedelta(hours=1, minutes=30), 2)
    assert (source.scan_every, source.max_missing) == (timedelta(hours=12), 0.5)


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    """In all sources, each with the file, the source and the key."""
    found = problems(tmp_path, f'[other]\n[sources.a]\n{REST}every = "soon"\nfoo = 1\n[sources.b]\ntype = "sql"\n[sources."c d"]\n{FOLDER}')
    assert len(found) == 1 + 2 + 3 + 1
    assert all(str(tmp_path / "sources.toml") in one for one in found)
    assert sum("[sources.a]" in one for one in found) == 2
    assert sum("[sources.b]" in one for one in found) == 3


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('type = "rst"', "type 'rst' is unknown; did you mean 'rest'?"),
        ('url = "https://erp.example"', "type is missing"),
        (FOLDER + "pth = 1", "pth is unknown; did you mean 'path'?"),
        (FOLDER + "wholly_other = 1", "wholly_other is unknown"),
        ('type = "folder"', 'path is missing; for example path = "bulas"'),
        (FOLDER + 'every = "soon"', 'such as "90s", "15m" or "1h"'),
        (FOLDER + "every = 60", 'such as "90s", "15m" or "1h"'),
        (FOLDER + 'lag = "5"', "lag must be a number and a unit"),
        (FOLDER + "max_in_flight = 0", "max_in_flight: input should be greater than or equal to 1; for example max_in_flight = 4"),
        (REST.replace("https", "ftp"), "url must start with http:// or https://"),
        (REST.replace("https://", "https://sac:s3cret@"), "url must not hold a user name or a password"),
        (REST.replace("erp.example", "erp.example?key=1"), "url must not hold a ?"),
        (REST.replace('"items"', '"items["'), "records is not a JMESPath expression"),
        (REST.replace('"items"', '"nowhere(items)"'), "Unknown function: nowhere()"),
        (REST.replace('"items"', "1"), "records must be a JMESPath expression"),
        (REST.replace('id = "id"', 'id = "id", timezone = "Brazil/Nowhere"'), "fields.timezone must be the name of a time zone"),
        (REST.replace('id = "id"', 'id = "id", sections = { dose = "a" }'), "fields.sections.dose: input should be 'indications'"),
        (REST.replace('text = "text"', 'tex = "text"'), "fields.tex is unknown; did you mean 'text'?"),
        (REST.replace('id = "id", ', ""), 'fields.id is missing; for example id = "code"'),
        (REST.replace(', text = "text"', ""), "fields needs a field that holds the leaflet"),
        (REST + 'auth = { type = "basi" }', "auth needs 'type' to be one of"),
        (REST + 'auth = { type = "basic", user = "a", password = { env = "SECRET" } }', "auth.user is unknown; did you mean 'username'?"),
        (REST + 'paging = { by = "pages" }', "paging needs 'by' to be one of"),
        (REST + 'paging = { by = "page", siz = 5 }', "paging.siz is unknown; did you mean 'size'?"),
        (REST + 'paging = { by = "next_link" }', "paging needs either link"),
        (REST + "body = { a = 1 }", 'body is sent only with method = "POST"'),
        (REST + 'ca_cert = "nowhere.pem"', "which does not exist"),
        (REST + 'permanent_errors = "Unknown column"', "permanent_errors must be a list of regular expressions"),
        (
            REST + "permanent_errors = ['ok', '(']",
            "permanent_errors has as number 2 what is no regular expression: missing ), unterminated",
        ),
        (REST + "permanent_errors = ['.*']", "permanent_errors has as number 1 a regular expression that any answer matches"),
        (REST + "permanent_errors = [1]", "permanent_errors must be a list"),
        (FOLDER + "max_missing = 20", "max_missing: input should be less than or equal to 1; for example max_missing = 0.2"),
        (FOLDER + 'scan_every = "0s"', 'scan_every must be longer than nothing; for example scan_every = "1d"'),
        (SQL.replace("sqlite:", "mssql+pyodbc:"), "needs the driver"),
        (SQL.replace("sqlite:", "nowhere:"), "no database address that SQLAlchemy knows"),
        (SQL.replace("sqlite:///erp.sqlite", "postgresql+psycopg://u:s3cret@h/d"), "url holds a literal password"),
        (SQL.replace("SELECT * FROM", "DELETE FROM"), "query must be a SELECT"),
        (SQL.replace('id = "id"', 'id = "id", updated_at = "t"'), "needs :since in query"),
        (TRYTON + 'fields = { deleted = "x" }', "Tryton itself says"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_to_write(tmp_path: Path, table: str, says: str) -> None:
    """One sentence, and no other complaint beside it that is not one; and never a secret, not even one in the wrong place."""
    told = [one for one in problems(tmp_path, f"[sources.erp]\n{table}", SECRET="s3cret") if says in one]
    assert len(told) == 1
    assert "s3cret" not in told[0]


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ('"s3cret"', "is a literal secret, which is refused: write { env ="),
        ('{ env = "NOT_SET" }', "names the environment variable NOT_SET, which is not set"),
        ('{ env = "EMPTY" }', "names the environment variable EMPTY, which is not set"),
        ('{ file = "nowhere" }', "which does not exist"),
        ('{ file = "empty" }', "which is empty"),
        ('{ file = "." }', "which cannot be read"),
        ('{ value = "s3cret" }', "must be { env ="),
        ('{ env = "SECRET", file = "secret" }', "must be { env ="),
        ("1", "must be { env ="),
    ],
)
def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path, secret: str, says: str) -> None:
    """Whatever else is there is refused, and not quoted."""
    (tmp_path / "empty").write_text("\n")
    told = problem(tmp_path, f'{REST}auth = {{ type = "bearer", token = {secret} }}', EMPTY="", SECRET="s3cret")
    assert told.startswith("auth.token ")
    assert says in told
    assert "s3cret" not in told


def test_a_secret_file_lies_beside_the_sources_file_and_may_end_with_a_newline(tmp_path: Path) -> None:
    """As editors and secret stores write it."""
    (tmp_path / "secret").write_text("s3cret\n")
    table = {
        "type": "rest",
        "url": "https://erp.example",
        "records": "@",
        "fields": {"id": "id", "text": "t"},
        "params": {"key": {"file": "secret"}},
    }
    read = RestTable.model_validate(table, context=Surroundings({}, tmp_path))
    assert "s3cret" not in repr(read)
    assert getattr(read.params["key"], "get_secret_value", str)() == "s3cret"


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    """With the whole of an example."""
    with pytest.raises(Misconfigured, match=r"no sources file at .*nowhere\.toml.*\n\[sources\.pasta\]"):
        configured(tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("toml", ["", "sources = 1", "[sources]"])
def test_a_file_without_sources_says_so(tmp_path: Path, toml: str) -> None:
    """With an example."""
    (only,) = problems(tmp_path, toml)
    assert "names no source" in only


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    """As tomllib finds it."""
    (only,) = problems(tmp_path, '[sources.a]\ntype = "rest\n')
    assert "line 2" in only


def test_another_encoding_is_told(tmp_path: Path) -> None:
    """Windows editors write it."""
    (tmp_path / "sources.toml").write_bytes("# açúcar".encode("cp1252"))
    with pytest.raises(Misconfigured, match="UTF-8"):
        configured(tmp_path / "sources.toml", {})


def tables() -> Iterator[type[BaseModel]]:
    """Every table that a sources.toml may have."""
    seen: set[type[BaseModel]] = set()
    waiting = list[type[BaseModel]](TYPES.values())
    while waiting:
        table = waiting.pop()
        if table in seen:
            continue
        seen.add(table)
        yield table
        waiting += [inner for info in table.model_fields.values() for inner in inner_tables(info.annotation)]


def inner_tables(annotation: object) -> list[type[BaseModel]]:
    """The tables in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in getattr(annotation, "__args__", ()) for table in inner_tables(inner)]


def test_every_key_says_what_it_means_and_how_it_is_written() -> None:
    """Errors show the example, and the documentation is made of both."""
    keys = [(table.__name__, key, info) for table in tables() for key, info in table.model_fields.items()]
    assert len(keys) > 80
    assert [f"{table}.{key}" for table, key, info in keys if not (info.description and info.examples)] == []
