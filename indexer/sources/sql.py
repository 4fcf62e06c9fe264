"""Any ERP whose leaflets a SQL query can read: PostgreSQL, MySQL and MariaDB, SQL Server, Oracle, SQLite.

    [sources.filial]
    type = "sql"
    url = "postgresql+psycopg://sac@db.example/erp"
    password = { env = "FILIAL_PASSWORD" }
    query = "SELECT id, name, html, updated_at, inactive FROM leaflets WHERE updated_at >= :since ORDER BY updated_at, id"
    fields = { id = "id", name = "name", text = "html", updated_at = "updated_at", deleted = "inactive" }

    postgresql+psycopg://sac@host/erp      mysql+pymysql://sac@host/erp (MariaDB too)      mssql+pymssql://sac@host/erp
    oracle+oracledb://sac@host/?service_name=erp                                            sqlite:///erp.sqlite

A row whose time of edit is NULL is never `>= :since`: write COALESCE(updated_at, created_at) where the ERP leaves it out. Times without a
zone are read, and compared with :since, in `fields.timezone`, whatever the server's own is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator
from sqlalchemy import Engine, MappingResult, RowMapping, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from indexer.sources.base import Ahead, Page, SourceChanged, SourceDown, SourceRefused
from indexer.sources.records import Fields, media_type, reading
from indexer.sources.tables import Described, Secret, SourceTable, Surroundings, surroundings
from indexer.sources.window import Window, wall
from leaflets import Change, Content, Unreadable, Withdrawal

# Rows in memory at a time: 100 leaflets of 500 kB are 50 MB, as much as one HTTP answer may have.
_BATCH = 100
# Before any row, and a time that every database's own type can hold.
_FAR_PAST = datetime.fromisoformat("1900-01-01T00:00:00+00:00")
_MYSQLS_FAR_PAST = "0000-00-00 00:00:00"
_SINCE = re.compile(r"(?<!:):since\b")
# SQLSTATEs, or the beginnings of them, that no later try mends: a write, authorisation, unknown database, syntax and rights.
_PERMANENT = ("25006", "28", "3D", "42")
_PERMANENT_WORDS = re.compile(
    r"authentication failed|no pg_hba|does not exist|no such (table|column)|syntax error|not a database|readonly|access denied"
    # Oracle's, which come in the text: syntax, names and rights, credentials and accounts, an unknown service, a write.
    r"|ORA-(009\d\d|01017|01031|01045|28\d{3}|12514|12154|01456)|DPY-600[01]",
    re.IGNORECASE,
)
# The same by number. MySQL and MariaDB: access, database, column, syntax, rights, table, a write. SQL Server: syntax, column, table,
# rights, database, login.
_PERMANENT_NUMBERS = {
    "mysql": frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1290, 1698, 1792}),
    "mssql": frozenset({102, 156, 207, 208, 229, 230, 916, 4060, 18452, 18456}),
}


class SqlFields(Fields[str]):
    """Which of the query's columns says what."""

    content: str | None = Field(default=None, examples=['"pdf"'])
    """The column that holds the leaflet as a file (bytes): PDF, RTF, HTML or plain text."""

    @model_validator(mode="after")
    def _holds_a_leaflet(self) -> SqlFields:
        if not (self.text or self.sections or self.content):
            msg = "needs a column that holds the leaflet: text, sections or content"
            raise ValueError(msg)
        return self


class SqlTable(SourceTable):
    """A source of type sql."""

    type: Literal["sql"] = Field(examples=['"sql"'])
    """A database that SQLAlchemy reads."""

    url: URL = Field(examples=['"postgresql+psycopg://sac@db.example/erp"'])
    """The database, as SQLAlchemy writes it, without the password."""

    password: Secret | None = Field(default=None, examples=['{ env = "ERP_PASSWORD" }'])
    """The password of the user in `url`."""

    query: str = Field(examples=['"SELECT id, html, updated_at FROM leaflets WHERE updated_at >= :since ORDER BY updated_at, id"'])
    """A SELECT of all records edited since `:since`, which is bound: in a database that knows time zones as a time with its zone, else in
    `fields.timezone`."""

    since_format: str | None = Field(default=None, examples=['"%Y-%m-%d %H:%M:%S"'])
    """How `:since` is written, in `fields.timezone`, where the column holds texts (strftime codes, or epoch, or epoch_ms).
    Left out: as the database's own type; in SQLite, which has none, like the example."""

    fields: SqlFields = Field(examples=['{ id = "id", text = "html", updated_at = "updated_at" }'])
    """Which of the query's columns says what."""

    @field_validator("url", mode="before")
    @classmethod
    def _database(cls, value: object, info: ValidationInfo) -> URL:
        try:
            url = make_url(str(value))
            url.get_dialect().import_dbapi()
        except (ArgumentError, NoSuchModuleError, AttributeError):
            msg = "is no database address that SQLAlchemy knows"
            raise ValueError(msg) from None
        except ImportError as error:
            msg = f"needs the driver {error.name}, which is not installed: install it beside the indexer"
            raise ValueError(msg) from None
        if url.password:
            msg = "holds a literal password, which is refused: leave it out and write password = { env = ... } instead"
            raise ValueError(msg)
        if url.get_backend_name() == "sqlite" and url.database:
            return url.set(database=str(surroundings(info).folder / url.database))
        return url

    @field_validator("query")
    @classmethod
    def _only_reads(cls, query: str) -> str:
        if not re.match(r"\s*(select|with)\b", query, re.IGNORECASE):
            msg = "must be a SELECT"
            raise ValueError(msg)
        return query

    @model_validator(mode="after")
    def _asks_since(self) -> SqlTable:
        if self.fields.updated_at and not _SINCE.search(self.query):
            msg = "needs :since in query, where fields.updated_at is compared with it"
            raise ValueError(msg)
        return self

    def source(self, name: str, where: Surroundings) -> SqlSource:
        """The source that this table describes."""
        del where
        return SqlSource(name, self)


class SqlSource(Described):
    """See the module. It has one question, so it never has more than one in flight."""

    def __init__(self, name: str, table: SqlTable) -> None:
        super().__init__(name, table)
        self._table = table
        self._engine = _engine(table)
        self._filtered = _SINCE.search(table.query) is not None

    def pages(self, since: str | None, ahead: Ahead, *, whole: bool = False, names: bool = False) -> Iterator[Page]:
        """See Source. Only the last page has a cursor."""
        del ahead, names
        window = Window(since, self._table.lag, filtered=self._filtered, whole=whole)
        with self._rows(window, _BATCH) as rows:
            yield from window.pages((self._change(window, row) for row in batch) for batch in rows.partitions(_BATCH))

    def check(self) -> str:
        """See Source."""
        window = Window(None, self._table.lag)
        with self._rows(window, 1) as rows:
            row = rows.fetchone()
            rows.close()
        answered = f"{self._engine.dialect.name} answered"
        if row is None:
            return f"{answered}, without any row"
        match self._change(window, row):
            case Unreadable(reason=reason):
                return f"{answered}, but the first row cannot be read: {reason}"
            case change:
                return f"{answered}; the first row is {change.source_id!r}"

    @contextmanager
    def _rows(self, window: Window, at_once: int) -> Iterator[MappingResult]:
        """What the query finds, in a read-only transaction, so many rows in memory at once."""
        with self._naming_errors(), ExitStack() as opened:
            rows = self.breaker.call(partial(self._executed, window, at_once, opened))
            self._must_have_columns(list(rows.keys()))
            yield rows

    def _executed(self, window: Window, at_once: int, opened: ExitStack) -> MappingResult:
        with self._naming_errors():
            connection = opened.enter_context(self._engine.connect()).execution_options(yield_per=at_once)
            return connection.execute(text(self._table.query), self._since(window)).mappings()

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Names the driver's errors for what the caller does next."""
        try:
            yield
        except DBAPIError as error:
            raise self._named(error) from None

    def _named(self, error: DBAPIError) -> SourceDown | SourceRefused:
        """What the driver said, without SQLAlchemy's text around it, which quotes the parameters."""
        told = " ".join(_words_of(error.orig).split())[:300]
        where = self._engine.url.render_as_string(hide_password=True)
        if permanent(error.orig, self._engine.dialect.name):
            return SourceRefused(f"{where} refused: {told}")
        return SourceDown(f"{where} did not answer: {told}")

    def _since(self, window: Window) -> dict[str, object]:
        if not self._filtered:
            return {}
        if window.start is None and self._engine.dialect.name == "mysql" and self._table.since_format is None:
            return {"since": _MYSQLS_FAR_PAST}
        zone = self._table.fields.timezone
        at = wall(window.start or _FAR_PAST, zone).replace(tzinfo=zone)
        form = self._table.since_format or ("%Y-%m-%d %H:%M:%S" if self._engine.dialect.name == "sqlite" else None)
        if form is None:
            return {"since": at if self._engine.dialect.name == "postgresql" else at.replace(tzinfo=None)}
        epochs = {"epoch": int(at.timestamp()), "epoch_ms": int(at.timestamp() * 1000)}
        return {"since": epochs.get(form, at.strftime(form))}

    def _must_have_columns(self, columns: list[str]) -> None:
        fields = self._table.fields
        told = fields.model_dump(include={*_COLUMNS}, exclude_none=True)
        missing = sorted({*told.values(), *fields.sections.values()} - {*columns})
        if missing:
            msg = f"the query gives no column {', '.join(missing)}, which `fields` names; it gives {', '.join(columns)}"
            raise SourceChanged(msg)

    def _change(self, window: Window, row: RowMapping) -> Change | Withdrawal | Unreadable:
        return reading(
            self._table.fields,
            lambda column: row[column],
            window,
            lambda: json.dumps({**row}, default=_shown, ensure_ascii=False, indent=1),
            lambda: tuple(self._file(row)),
        )

    def _file(self, row: RowMapping) -> Iterator[Content]:
        column = self._table.fields.content
        if column is not None and row[column]:
            body = row[column]
            told = body.encode() if isinstance(body, str) else bytes(body)
            yield Content(told, media_type(told))


def permanent(error: BaseException | None, dialect: str) -> bool:
    """Whether what a driver raised stays until a person mends it: credentials, names, rights, syntax. All else may pass."""
    if dialect in _PERMANENT_NUMBERS:
        return any(number in _PERMANENT_NUMBERS[dialect] for number in _parts(error) if isinstance(number, int))
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(_PERMANENT) or _PERMANENT_WORDS.search(_words_of(error)) is not None


def _words_of(error: BaseException | None) -> str:
    """A driver's error as a text; pymssql gives bytes."""
    return " ".join(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in _parts(error))


def _parts(error: BaseException | None) -> tuple[object, ...]:
    """A driver's number and words; pymssql wraps them once more where it could not connect."""
    args: tuple[object, ...] = error.args if error is not None else ()
    return args[0] if len(args) == 1 and isinstance(args[0], tuple) else args


_COLUMNS = "id name active_ingredients laboratory registration ean audience category active updated_at deleted text content".split()


def _shown(value: object) -> str:
    """A column's value for people: bytes by their number, the rest as it prints."""
    return f"{len(value):,} bytes" if isinstance(value, bytes | memoryview) else str(value)


def _engine(table: SqlTable) -> Engine:
    """An engine that opens a connection for each pull, reads only, and gives up on a silent server."""
    url = table.url if table.password is None else table.url.set(password=table.password.get_secret_value())
    seconds = max(1, round(table.timeout))
    match url.get_backend_name():
        case "postgresql":
            # Times without a zone are then read, and compared with :since, in the zone that sources.toml names.
            options = f"-c statement_timeout={seconds}s -c TimeZone={table.fields.timezone.key} -c default_transaction_read_only=on"
            told: dict[str, Any] = {"connect_timeout": seconds, "options": options, "tcp_user_timeout": seconds * 1000}
            return create_engine(url, poolclass=NullPool, connect_args=told)
        case "sqlite" if url.database:
            # mode=ro: a wrong path is an error, not a new and empty database.
            read_only = url.set(database=f"file:{url.database}").update_query_dict({"mode": "ro", "uri": "true"})
            return create_engine(read_only, poolclass=NullPool, connect_args={"timeout": seconds})
        case "mysql":
            told = {"connect_timeout": seconds, "read_timeout": seconds + 5, "charset": "utf8mb4", "use_unicode": True}
            return _told_first(create_engine(url, poolclass=NullPool, connect_args=told), partial(_mysql, seconds, table.fields.timezone))
        case "mssql":
            told = {"login_timeout": seconds, "timeout": seconds, "read_only": True}
            return create_engine(url, poolclass=NullPool, connect_args=told)
        case "oracle":
            told = {"tcp_connect_timeout": seconds}
            return _told_first(create_engine(url, poolclass=NullPool, connect_args=told), partial(_oracle, seconds, table.fields.timezone))
    return create_engine(url, poolclass=NullPool)


def _told_first(engine: Engine, tell: Callable[[Any], None]) -> Engine:
    """An engine each of whose connections, a driver's own, is told something before it is used."""
    event.listen(engine, "connect", lambda connection, _record: tell(connection))
    return engine


def _mysql(seconds: int, zone: ZoneInfo, connection: Any) -> None:
    """MySQL and MariaDB: read only, a limit on what a statement may take, and TIMESTAMPs in our zone."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        # Else a date of zeros, which is what no edit is written as in old tables, cannot be compared with.
        cursor.execute("SET SESSION sql_mode = REPLACE(REPLACE(@@sql_mode, 'NO_ZERO_IN_DATE', ''), 'NO_ZERO_DATE', '')")
        cursor.execute("SELECT VERSION()")
        mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
        cursor.execute(f"SET SESSION {f'max_statement_time = {seconds}' if mariadb else f'max_execution_time = {seconds * 1000}'}")
        try:
            cursor.execute("SET time_zone = %s", (zone.key,))
        except connection.Error:
            # A server without tables of time zones knows offsets alone; today's is right all year where clocks are not changed.
            cursor.execute("SET time_zone = %s", (_offset(zone),))


def _offset(zone: ZoneInfo) -> str:
    """Today's offset, as "-03:00"."""
    told = f"{datetime.now(zone):%z}"
    return f"{told[:3]}:{told[3:5]}"


def _oracle(seconds: int, zone: ZoneInfo, connection: Any) -> None:
    """Oracle: read only, a limit on what a call may take, and our zone."""
    connection.call_timeout = seconds * 1000
    with connection.cursor() as cursor:
        # A zone's key has letters, /, _, + and - alone: ZoneInfo found it.
        cursor.execute(f"ALTER SESSION SET TIME_ZONE = '{zone.key}'")
        cursor.execute("SET TRANSACTION READ ONLY")
