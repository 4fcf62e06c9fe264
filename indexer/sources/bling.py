"""Bling, API v3: pages of products without their texts, and each product's own; OAuth 2 with tokens that work once.

    [sources.loja]
    type = "bling"
    client_id = "0123456789abcdef"
    client_secret = { env = "BLING_CLIENT_SECRET" }
    tokens = "tokens/bling"                    # a file: at first the refresh token, then whatever Bling gave last
    fields = { registration = "observacoes" }  # the leaflet is looked for in descricaoComplementar, then in descricaoCurta

A product has no time of edit, though Bling can be asked for what was edited since one: the time at which a pull began stands for it, so
Bling's clock and ours must agree within `lag`. Texts are had one product at a time, within 3 requests a second and 120,000 a day for the
whole account: 10,000 products take an hour. Whether "all" (criterio 5) has the deleted is nowhere said, so those (criterio 4) are asked
for as well; times are taken for São Paulo's, which nothing public confirms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from limits import parse
from pydantic import Field, field_validator

from indexer.sources.auth import basic
from indexer.sources.base import Ahead, Busy, SourceChanged, SourceRefused, in_turn
from indexer.sources.erp import Deletion, ErpFields, ErpTable, Row, Wire, columns, listing, standard
from indexer.sources.http import Answer, Line, Question, Standing
from indexer.sources.paging import ByPage, Sheet, Turn, sheets
from indexer.sources.retries import Garbled, Tries
from indexer.sources.tables import Expression, FilePath, Limits, Secret, WebAddress, Zone
from indexer.sources.tokens import Rotating
from indexer.sources.window import wall

_PAGE = 100
_ALL, _DELETED = "5", "4"
_GONE = "E"
# What a page says of a product.
_LISTED = frozenset(
    {"id", "idProdutoPai", "nome", "codigo", "preco", "precoCusto", "estoque", "tipo", "situacao", "formato", "descricaoCurta", "imagemURL"}
)
# A window of more than a year is refused; this is less in any year.
_LONGEST = timedelta(days=360)
# What a 429 asks to wait, by the period that it names; one that names none is the block of an address.
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 3600.0}
_BLOCKED = 600.0
# Who asks for 20 tokens in a minute gets none for an hour.
_NO_TOKENS = 3600.0
# No total is told, and no page but an empty one is surely the last.
_PAGING = ByPage(by="page", parameter="pagina", size_parameter="limite", size=_PAGE, last="empty", recheck=standard("id"))


class BlingFields(ErpFields):
    """Which field of a product says what."""

    name: Expression | None = Field(default=standard("nome"), examples=['"nome"'])
    """The product's name."""

    laboratory: Expression | None = Field(default=standard("marca"), examples=['"marca"'])
    """Who makes it."""

    ean: Expression | None = Field(default=standard("gtin"), examples=['"gtin"'])
    """Its EAN."""

    deleted: Expression | None = Field(default=standard("situacao"), examples=['"situacao"'])
    """Says whether it is active (A), inactive (I) or deleted (E)."""

    deleted_values: tuple[str, ...] = Field(default=("I", "E"), examples=['["E"]'])
    """The values of `deleted` that mean withdrawn."""

    timezone: Zone = Field(default=ZoneInfo("America/Sao_Paulo"), examples=['"America/Sao_Paulo"'])
    """The zone of its times, which name none."""

    text: Expression | None = Field(default=standard("descricaoComplementar || descricaoCurta"), examples=['"descricaoComplementar"'])
    """The field that holds the leaflet."""


class BlingTable(ErpTable):
    """A source of type bling."""

    hangs: ClassVar[bool] = False

    type: Literal["bling"] = Field(examples=['"bling"'])
    """Bling's API v3."""

    url: WebAddress = Field(default="https://api.bling.com.br/Api/v3", examples=['"https://api.bling.com.br/Api/v3"'])
    """Where the API starts; tokens are had at `oauth/token` below it."""

    client_id: str = Field(examples=['"0123456789abcdef"'])
    """The application's client id."""

    client_secret: Secret = Field(examples=['{ env = "BLING_CLIENT_SECRET" }'])
    """The application's client secret."""

    tokens: FilePath = Field(examples=['"tokens/bling"'])
    """The file that holds the refresh token, in a folder where the indexer may write: each renewal replaces it, and locks it meanwhile."""

    rates: Limits = Field(default=(parse("3/second"), parse("120000/day")), examples=['["3/second", "120000/day"]'])
    """What Bling allows an account, whatever its applications."""

    max_in_flight: int = Field(default=3, ge=1, le=64, examples=["3"])
    """How many requests Bling may have to answer at once."""

    fields: BlingFields = Field(default_factory=BlingFields, examples=['{ text = "observacoes" }'])
    """Which of a product's fields says what."""

    @field_validator("tokens")
    @classmethod
    def _is_there_already(cls, path: Path) -> Path:
        if not path.is_file():
            msg = f"names the file {path}, which does not exist: put the refresh token there"
            raise ValueError(msg)
        return path

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.client_id}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Bling(self, tries)


class _Bling(Wire):
    def __init__(self, table: BlingTable, tries: Tries) -> None:
        shown = Standing({"Authorization": basic(table.client_id, table.client_secret.get_secret_value())})
        credentials = Rotating(Line(table, shown), f"{table.url}/oauth/token", table.tokens, _NO_TOKENS)
        self._line = Line(table, credentials, tries)
        self._url = f"{table.url}/produtos"
        self._fields = table.fields
        self._zone = table.fields.timezone

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire. All pages are read before the first text is: those take hours, in which much is added and deleted."""
        for criteria in self._windows(_ALL, since):
            listed = [row for sheet in self._sheets(criteria) for row in listing(list(sheet.records), self._url, "products")]
            for start in range(0, len(listed), _PAGE):
                yield self._whole(listed[start : start + _PAGE], ahead)

    def names(self, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire; from the pages alone, unless the audience stands beside the texts."""
        if not _LISTED.issuperset(columns(self._fields, "id", "audience", "deleted")):
            return self.rows(None, ahead)
        return (
            listing(list(sheet.records), self._url, "products")
            for criteria in self._windows(_ALL, None)
            for sheet in self._sheets(criteria)
        )

    def first(self) -> Sequence[Row]:
        """See Wire."""
        sheet = self._listed({"criterio": _ALL, "tipo": "T"}, Turn({"pagina": 1, "limite": 5}))
        return self._whole(listing(list(sheet.records), self._url, "products"), in_turn)

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row.get("id"))

    def deleted(self, since: datetime) -> Iterator[Deletion]:
        """See Wire."""
        now = datetime.now(UTC)
        for criteria in self._windows(_DELETED, since):
            for sheet in self._sheets(criteria):
                rows = listing(list(sheet.records), self._url, "products")
                yield from (Deletion(self.key(row), now) for row in rows if row.get("situacao") == _GONE)

    def _windows(self, criterion: str, since: datetime | None) -> Iterator[Mapping[str, str]]:
        """What to ask for, in windows that Bling accepts; their ends belong to both."""
        common = {"criterio": criterion, "tipo": "T"}
        if since is None:
            yield common
            return
        # A day more than now, because its clock may be ahead of ours.
        start, end = since, max(datetime.now(UTC), since) + timedelta(days=1)
        while start < end:
            until = min(start + _LONGEST, end)
            yield {**common, "dataAlteracaoInicial": str(wall(start, self._zone)), "dataAlteracaoFinal": str(wall(until, self._zone))}
            start = until

    def _sheets(self, criteria: Mapping[str, str]) -> Iterator[Sheet]:
        return sheets(_PAGING, partial(self._listed, criteria), in_turn)

    def _listed(self, criteria: Mapping[str, str], turn: Turn) -> Sheet:
        params = {**{name: str(value) for name, value in turn.parameters.items()}, **criteria}
        told = self._asked(self._url, params)
        found = told.get("data")
        if not isinstance(found, list):
            msg = f"{self._url} answered without a list of `data`: is `url` Bling's API v3?"
            raise SourceChanged(msg)
        return Sheet(self._url, told, tuple(found), None)

    def _whole(self, rows: Sequence[Row], ahead: Ahead) -> list[Row]:
        """The products with their texts; one that was deleted since it was listed is left out."""
        return [row for row in ahead(partial(self._with_texts, row) for row in rows) if row]

    def _with_texts(self, row: Row) -> Row:
        # What a deleted one said matters no more, and asked for it would be an error, of which Bling counts too many.
        if row.get("situacao") == _GONE:
            return row
        found = self._asked(f"{self._url}/{self.key(row)}", {}).get("data")
        return found if isinstance(found, dict) else {}

    def _asked(self, url: str, params: Mapping[str, str]) -> Mapping[str, Any]:  # Bling's JSON
        return self._line.ask(Question(url, params, accepted=frozenset({400, 403, 404, 429})), self._told)

    def _told(self, answer: Answer) -> Mapping[str, Any]:  # Bling's JSON
        try:
            told = answer.json()
        except Garbled:
            if answer.status not in (403, 429):
                raise
            told = {}
        error = told.get("error") if isinstance(told, dict) else None
        error = error if isinstance(error, dict) else {}
        kind = str(error.get("type", ""))[:60]
        shown = f"{answer.bare} answered {answer.status} {kind}".rstrip()
        if answer.status == 429 or (answer.status == 403 and not kind):
            # Not Bling's API but what stands before it says 403 without a type, to an address that it has blocked.
            raise Busy(shown, _PERIODS.get(str(error.get("period")), _BLOCKED) if answer.wait is None else answer.wait)
        if answer.status == 404 and answer.url.partition("?")[0] != self._url:
            return {}
        if answer.status >= 400:
            words = str(error.get("description") or error.get("message") or "")[:200]
            msg = f"{shown}: {words}; check `url`, and that the application's scopes let it read products"
            raise SourceRefused(msg)
        if not isinstance(told, dict):
            msg = f"{answer.bare} answered with something else than an object: is `url` Bling's API v3?"
            raise SourceChanged(msg)
        return told
