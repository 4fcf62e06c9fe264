"""Omie: one POST a call, with the application's key and secret in its body.

    [sources.filial]
    type = "omie"
    app_key = { env = "OMIE_APP_KEY" }
    app_secret = { env = "OMIE_APP_SECRET" }
    attachments = true                             # PDFs (or ZIPs of one) in the product's Anexos
    fields = { registration = "obs_internas" }     # the leaflet is looked for in descr_detalhada

Omie says "nothing" with status 500 (5113), refuses the same call within 60 s (REDUNDANT), and after about ten errors of one method blocks
the application for half an hour. So no page past the last is asked for, waits that it names are kept to the second, and a call of which
nobody knows whether it arrived (reset, cut short, too slow, 502) is not repeated before a minute has passed. It keeps no trace of what
was deleted, so the whole listing tells; its times are taken for São Paulo's, which nothing public confirms.
"""

from __future__ import annotations

import html
import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from limits import parse
from pydantic import Field

from indexer.sources.base import Ahead, Busy, SourceChanged, SourceDown, SourceError, SourceRefused
from indexer.sources.erp import Attachment, ErpFields, ErpTable, Row, Wire, listing, standard
from indexer.sources.http import Answer, Line, Question, Standing, Unreached, origin
from indexer.sources.paging import ByPage, Sheet, Turn, sheets
from indexer.sources.records import moment
from indexer.sources.retries import Garbled, Tries
from indexer.sources.tables import Expression, Limits, Secret, WebAddress, Zone
from indexer.sources.window import wall

# Omie recommends no more than 500, and many of its methods give no more than 100 whatever is asked for.
_PAGE = 100
# How many sizes of pages take turns: by the time the first comes again more than a minute has passed.
_SIZES = 20
# ListarAnexo's own; no product has as many files.
_FILES = 50
# For so many seconds Omie refuses the same call; its own words for what is left of them come first.
_REDUNDANT = 60.0
# How long it blocks an application ("consumo indevido") where it does not say.
_MISUSE = 1800.0
# "alguns instantes" until a method that runs already has ended; public integrations see it pass within ten seconds.
_RUNNING = 10.0
_FORMAT = "%d/%m/%Y %H:%M:%S"
_SECONDS = re.compile(r"(\d+)\s*segundo", re.IGNORECASE)
_OUR_FAULT = re.compile(r"app_?key|app_?secret|chave de acesso|aplicativo|suspens", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^>]*>", re.IGNORECASE)
_NOTHING = "5113"
_EDITED = "info.dAlt && join(' ', [info.dAlt, info.hAlt || '00:00:00']) || info.dInc && join(' ', [info.dInc, info.hInc || '00:00:00'])"
# One of which it is not known counts as edited long ago.
_EVER = f"{_EDITED} || '00/00/0000'"
_PAGING = ByPage(
    by="page",
    parameter="pagina",
    size_parameter="registros_por_pagina",
    size=_PAGE,
    total=standard("total_de_registros"),
    total_pages=standard("total_de_paginas"),
)
# In a whole listing nothing moves but what is deleted or added, so each page's end can be looked at again. What was edited meanwhile
# joins the changed ones anywhere, and would make every busy day's pull fail.
_PAGING_OF_ALL = _PAGING.model_copy(update={"recheck": standard("codigo_produto")})


class OmieFields(ErpFields):
    """Which field of produto_servico_cadastro says what."""

    id: Expression = Field(default=standard("codigo_produto"), examples=['"codigo"'])
    """The product's own, lasting id."""

    name: Expression | None = Field(default=standard("descricao"), examples=['"descricao"'])
    """The product's name."""

    laboratory: Expression | None = Field(default=standard("marca"), examples=['"marca"'])
    """Who makes it."""

    ean: Expression | None = Field(default=standard("ean"), examples=['"ean"'])
    """Its EAN."""

    updated_at: Expression | None = Field(default=standard(_EVER), examples=["\"join(' ', [info.dAlt, info.hAlt])\""])
    """When it was last edited or, where it never was, added."""

    updated_at_format: str = Field(default=_FORMAT, examples=['"%d/%m/%Y %H:%M:%S"'])
    """How that time is written."""

    timezone: Zone = Field(default=ZoneInfo("America/Sao_Paulo"), examples=['"America/Sao_Paulo"'])
    """The zone of its times, which name none."""

    deleted: Expression | None = Field(default=standard("inativo == 'S' || bloqueado == 'S'"), examples=["\"inativo == 'S'\""])
    """Says that it is inactive or blocked."""

    text: Expression | None = Field(default=standard("descr_detalhada"), examples=['"obs_internas"'])
    """The field that holds the leaflet."""


class OmieTable(ErpTable):
    """A source of type omie."""

    type: Literal["omie"] = Field(examples=['"omie"'])
    """Omie's API."""

    url: WebAddress = Field(default="https://app.omie.com.br/api/v1", examples=['"https://app.omie.com.br/api/v1"'])
    """Where the API starts."""

    app_key: Secret = Field(examples=['{ env = "OMIE_APP_KEY" }'])
    """The application's key."""

    app_secret: Secret = Field(examples=['{ env = "OMIE_APP_SECRET" }'])
    """The application's secret."""

    rates: Limits = Field(default=(parse("240/minute"),), examples=['["240/minute"]'])
    """Omie allows 240 requests a minute for each method of an application, counted here for all of its methods together, and 4 at once."""

    fields: OmieFields = Field(default_factory=OmieFields, examples=['{ text = "obs_internas" }'])
    """Which of a product's fields says what."""

    @property
    def account(self) -> str:
        """See HttpTable."""
        return f"{self.url} {self.app_key.get_secret_value()}"

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _Omie(self, tries)


class _Omie(Wire):
    def __init__(self, table: OmieTable, tries: Tries) -> None:
        self._zone = table.fields.timezone
        # From anywhere, so that a sync right after a check, which is another process, does not ask the same either.
        self._turns = itertools.count(random.randrange(_SIZES))  # noqa: S311 no secret is made of it
        self._calls = _Calls(table, tries)
        self._downloads = _Downloads(table, tries)

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        # Another size each time: the listing that confirms what is gone follows at once, and must not be the same calls again.
        paging = (_PAGING if since else _PAGING_OF_ALL).model_copy(update={"size": _PAGE - next(self._turns) % _SIZES})
        for sheet in sheets(paging, partial(self._page, since), ahead):
            yield listing(list(sheet.records), sheet.url, "products")

    def first(self) -> Sequence[Row]:
        """See Wire; another question than a pull's, which may follow within the minute in which Omie refuses the same one."""
        turn = Turn({"pagina": 1, "registros_por_pagina": 5})
        sheet = self._page(None, turn)
        return listing(list(sheet.records), sheet.url, "products")

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row.get("codigo_produto"))

    def attached(self, rows: Sequence[Row], ahead: Ahead) -> Mapping[str, Sequence[Attachment]]:
        """See Wire."""
        keys = [self.key(row) for row in rows]
        return dict(zip(keys, ahead(partial(self._attached, key) for key in keys), strict=True))

    def _page(self, since: datetime | None, turn: Turn) -> Sheet:
        param: dict[str, object] = {**turn.parameters, "apenas_importado_api": "N", "filtrar_apenas_omiepdv": "N", "exibir_obs": "S"}
        if since is not None:
            start = wall(since, self._zone)
            # Without the last of them Omie's listings may leave the window out of account.
            param |= {
                "filtrar_por_data_de": start.strftime("%d/%m/%Y"),
                "filtrar_por_hora_de": start.strftime("%H:%M:%S"),
                "filtrar_apenas_alteracao": "S",
            }
        reply = self._calls.answer("geral/produtos", "ListarProdutos", param)
        return Sheet(self._calls.url("geral/produtos"), reply, _listed(reply, "produto_servico_cadastro"), None)

    def _attached(self, key: str) -> Sequence[Attachment]:
        found: list[Attachment] = []
        page = pages = 1
        while page <= pages:
            param = {"nPagina": page, "nRegPorPagina": _FILES, "cTabela": "produto", "nId": _number(key)}
            reply = self._calls.answer("geral/anexo", "ListarAnexo", param)
            files = listing(list(_listed(reply, "listaAnexos")), self._calls.url("geral/anexo"), "attachments")
            found += (self._attachment(key, one) for one in files)
            page, pages = page + 1, int(str(reply.get("nTotPaginas") or 1))
        return found

    def _attachment(self, key: str, one: Row) -> Attachment:
        told = standard(_EDITED).search(one)
        try:
            edited = moment(told, _FORMAT, self._zone) if told else None
        except ValueError:
            edited = None
        return Attachment(str(one.get("cNomeArquivo", "")).strip(), edited, partial(self._bytes_of, key, one.get("nIdAnexo")))

    def _bytes_of(self, key: str, attachment: object) -> bytes:
        reply = self._calls.answer("geral/anexo", "ObterAnexo", {"cTabela": "produto", "nId": _number(key), "nIdAnexo": attachment})
        link = reply.get("cLinkDownload")
        if not isinstance(link, str) or not link.strip():
            msg = f"{self._calls.url('geral/anexo')} answered ObterAnexo without a cLinkDownload"
            raise SourceChanged(msg)
        return self._downloads.body(link.strip())


class _Calls:
    """Omie's methods. What it answers with a fault becomes one of our errors, none of which holds the key or the secret."""

    def __init__(self, table: OmieTable, tries: Tries) -> None:
        self._table = table
        # It asks once: how it is asked again is decided here.
        self._line = Line(table, Standing())
        self._tries = tries

    def url(self, service: str) -> str:
        """A service's address; without the slash at its end Omie redirects, and the question is lost."""
        return f"{self._table.url}/{service}/"

    def answer(self, service: str, call: str, param: Mapping[str, object]) -> Mapping[str, Any]:  # Omie's JSON
        """What a method answered; empty where it says that there is nothing."""
        table = self._table
        body = {
            "call": call,
            "app_key": table.app_key.get_secret_value(),
            "app_secret": table.app_secret.get_secret_value(),
            "param": [param],
        }
        # Its errors come with any status, and say more than that.
        question = Question(self.url(service), method="POST", body=body, accepted=frozenset(range(400, 600)))
        return self._tries(lambda: self._once(question))

    def _once(self, question: Question) -> Mapping[str, Any]:  # Omie's JSON
        try:
            return self._line.ask(question, self._told)
        except (Busy, Unreached):
            raise
        except (SourceDown, Garbled) as error:
            # It may have arrived: sent again at once it would be "consumo redundante", and an error more towards the half hour's block.
            msg = f"{error}; it is asked again after a minute, because Omie refuses the same call before"
            raise Busy(msg, _REDUNDANT) from None

    def _told(self, answer: Answer) -> Mapping[str, Any]:  # Omie's JSON
        try:
            told = answer.json()
        except Garbled:
            if answer.status < 400:
                raise
            told = None
        if isinstance(told, dict) and told.get("faultstring"):
            fault = _Fault(str(told.get("faultcode", "")), str(told["faultstring"]), answer)
            if fault.number == _NOTHING:
                return {}
            raise fault.error(self._without_secrets(fault.words))
        if answer.status >= 400:
            raise _Fault("", "", answer).error("")
        if not isinstance(told, dict):
            msg = f"{answer.bare} answered with something else than an object: is `url` Omie's?"
            raise SourceChanged(msg)
        return {name: _plain(value) for name, value in told.items()}

    def _without_secrets(self, told: str) -> str:
        for secret in (self._table.app_secret, self._table.app_key):
            told = told.replace(secret.get_secret_value(), "***")
        return told


@dataclass(frozen=True, slots=True)
class _Fault:
    """What Omie says instead of an answer: a faultcode and a faultstring or, where something in front of it spoke, neither."""

    code: str
    words: str
    answer: Answer

    @property
    def number(self) -> str:
        """5113 of "SOAP-ENV:Client-5113"."""
        return self.code.rpartition("-")[2]

    def error(self, words: str) -> Exception:
        """What it means for the caller; `words` are its own, without our secrets."""
        status = self.answer.status
        told = f"{self.answer.bare} answered {status}" + (f" with {self.code}: {words[:200]}" if words else "")
        if (wait := self._wait()) is not None:
            return Busy(told, wait)
        if _OUR_FAULT.search(self.words) or status in (401, 403):
            return SourceRefused(f"{told}; check `app_key` and `app_secret`, and in Omie that the application is active")
        if self.code.startswith("SOAP-ENV:Client") or 400 <= status < 500:
            # Whatever its status: the same question would be answered the same.
            return SourceRefused(f"{told}; check `url` and what the application may read")
        return SourceDown(told)

    def _wait(self) -> float | None:
        """The seconds it asks to wait, by its own words where they name them."""
        words = self.words.lower()
        if named := _SECONDS.search(words):
            return float(named[1])
        if "consumo indevido" in words or self.answer.status == 425:
            return _MISUSE if self.answer.wait is None else self.answer.wait
        if self.number == "1880" or "sendo executada" in words:
            return _RUNNING
        if self.number in ("6", "1100") or "redundant" in words or "too many" in words or self.answer.status == 429:
            return _REDUNDANT if self.answer.wait is None else self.answer.wait
        return None


class _Downloads:
    """Where Omie's attachments lie: signed links to another host, each a secret, to which none of ours goes."""

    def __init__(self, table: OmieTable, tries: Tries) -> None:
        self._table = table
        self._tries = tries

    def body(self, link: str) -> bytes:
        """The bytes behind a link; no error says more of it than its host."""
        place = urlsplit(link)
        # Plain HTTP only where the API itself is asked so.
        if origin(link).host is None or place.scheme not in ("https", urlsplit(self._table.url).scheme):
            msg = "ObterAnexo gave a cLinkDownload that is no https address"
            raise SourceChanged(msg)
        table = self._table.model_copy(update={"url": f"{place.scheme}://{place.netloc}", "headers": {}})
        try:
            return Line(table, Standing(), self._tries).ask(Question(link), lambda answer: answer.body)
        except Busy as error:
            raise Busy(_of_a_link(place.hostname), error.wait) from None
        except SourceError as error:
            kind = next(one for one in (SourceDown, SourceRefused, SourceChanged) if isinstance(error, one))
            raise kind(_of_a_link(place.hostname)) from None


def _of_a_link(host: str | None) -> str:
    return f"the link that ObterAnexo gave, to {host}, did not answer with the file"


def _listed(reply: Mapping[str, Any], name: str) -> tuple[object, ...]:  # Omie's JSON
    """A list out of an answer; one alone may come without a list around it."""
    found = reply.get(name) or ()
    return tuple(found) if isinstance(found, list) else (found,) if found else ()


def _plain(value: Any) -> Any:  # any JSON
    """A value without what Omie wraps around texts: entities in those that are no HTML, blanks behind integration codes."""
    match value:
        case str():
            return (value if _TAG.search(value) else html.unescape(value)).strip()
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
    return value


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() else key
