"""Omie, as its public documentation and integrations show it; its key and secret are in each request's body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from indexer.sources.base import Source
from tests.sources.standin import Reply, Request, StandIn, serving, told
from tests.sources.vendors.vendor import Product, Vendor, by_number, zipped

_PAGE = 3
_ZONE = ZoneInfo("America/Sao_Paulo")
_LISTING = {
    "pagina",
    "registros_por_pagina",
    "apenas_importado_api",
    "filtrar_apenas_omiepdv",
    "exibir_obs",
    "filtrar_por_data_de",
    "filtrar_por_hora_de",
    "filtrar_apenas_alteracao",
}


class Omie(Vendor):
    """Pages of three at most, by number; the same call twice within a minute is refused, and so is one of a page past the end."""

    kind = "omie"
    punishes = True
    hangs = True
    secrets = {"SECRET": "nothing-secret", "KEY": "1234567890"}  # noqa: RUF012 see Vendor

    def __init__(self) -> None:
        super().__init__()
        self.told: set[bytes] = set()
        """What was asked within this minute."""
        self.errors = 0
        """How many pages past the end were asked for; ten would block the application."""
        self._storage: StandIn | None = None

    @property
    def table(self) -> str:
        """See Vendor."""
        return 'app_key = { env = "KEY" }\napp_secret = { env = "SECRET" }\nfields = { audience = "obs_internas" }'

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return str(_number(product))

    def source(self, folder: Path, stand_in: StandIn, more: str = "") -> Source:
        """See Vendor."""
        self.a_minute_passes()
        return super().source(folder, stand_in, more)

    def a_minute_passes(self) -> None:
        """See Vendor."""
        self.told.clear()

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        """See Vendor; beside it the host where its files lie."""
        with serving(self._stored) as self._storage, super().running() as stand_in:
            yield stand_in

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if request.method != "POST" or request.path not in ("/geral/produtos/", "/geral/anexo/"):
            # Without the slash at its end it redirects, as a web server does.
            return Reply(b"", 301, {"Location": f"{request.path}/"})
        asked = json.loads(request.body)
        if (asked["app_key"], asked["app_secret"]) != (self.secrets["KEY"], self.secrets["SECRET"]):
            return fault("SOAP-ENV:Server", f"ERROR: A chave de acesso {asked['app_secret']} não está cadastrada para este aplicativo.")
        if request.body in self.told:
            return fault("SOAP-ENV:Client-6", "ERROR: Consumo redundante detectado. Aguarde 60 segundos para tentar novamente (REDUNDANT).")
        self.told.add(request.body)
        (param,) = asked["param"]
        known = (
            {"ListarProdutos": self._products}
            if request.path == "/geral/produtos/"
            else {"ListarAnexo": self._files, "ObterAnexo": self._link}
        )
        method = known.get(asked["call"])
        return fault("SOAP-ENV:Server", "ERROR: Method não existe") if method is None else method(param)

    def limited(self) -> Reply:
        """See Vendor."""
        return fault("SOAP-ENV:Client-6", "ERROR: Consumo redundante detectado. Aguarde 0 segundos para tentar novamente (REDUNDANT).")

    def _products(self, param: Mapping[str, Any]) -> Reply:
        if unknown := set(param) - _LISTING:
            return fault("SOAP-ENV:Client-71", f"ERROR: Tag [{unknown.pop().upper()}] não faz parte da estrutura do tipo complexo!")
        found = by_number(self.products)
        # A window without this flag is not one.
        if param.get("filtrar_apenas_alteracao") == "S":
            told_from = f"{param['filtrar_por_data_de']} {param['filtrar_por_hora_de']}"
            start = datetime.strptime(told_from, "%d/%m/%Y %H:%M:%S").replace(tzinfo=_ZONE)
            found = [product for product in found if product.edited >= start]
        # Small pages, and as with real ones of another size where another was asked for.
        asked = int(param["registros_por_pagina"])
        size = asked if asked <= _PAGE else _PAGE + asked % 2
        page, pages = int(param["pagina"]), -(-len(found) // size)
        here = found[(page - 1) * size : page * size]
        if not here:
            self.errors += bool(found)
            return nothing(page)
        rows = [row(product) for product in here]
        total = {"total_de_paginas": pages, "registros": len(here), "total_de_registros": len(found)}
        return told({"pagina": page, **total, "produto_servico_cadastro": rows})

    def _files(self, param: Mapping[str, Any]) -> Reply:
        if param["cTabela"] != "produto" or not isinstance(param["nId"], int):
            return fault("SOAP-ENV:Client-71", "ERROR: nId")
        hung = [(p, one) for p in self.products.values() if _number(p) == param["nId"] for one in p.hung]
        if not hung:
            return nothing(1)
        size, page = min(param["nRegPorPagina"], _PAGE), param["nPagina"]
        rows = [{"nIdAnexo": one.number, "nId": param["nId"], "cTabela": "produto", "cNomeArquivo": one.name} for _, one in hung]
        shown = rows[(page - 1) * size : page * size]
        count = {"nPagina": page, "nTotPaginas": -(-len(rows) // size), "nRegistros": len(shown), "nTotRegistros": len(rows)}
        return told(count | {"listaAnexos": shown})

    def _link(self, param: Mapping[str, Any]) -> Reply:
        assert self._storage is not None
        return told({"cLinkDownload": f"{self._storage.url}/omie-anexos/{param['nIdAnexo']}.zip?Signature=assinatura", "cCodStatus": "0"})

    def _stored(self, request: Request) -> Reply:
        secret = any(value in str((request.headers, request.body)) for value in self.secrets.values())
        if secret or request.query != {"Signature": "assinatura"}:
            return Reply(b"<Error><Code>AccessDenied</Code></Error>", 403, {"Content-Type": "application/xml"})
        with self.lock:
            (one,) = [one for p in self.products.values() for one in p.hung if request.path == f"/omie-anexos/{one.number}.zip"]
        return Reply(zipped(one.name, one.body), headers={"Content-Type": "application/zip"})


def row(product: Product) -> dict[str, Any]:
    """A product as Omie writes it."""
    at = product.edited.astimezone(_ZONE)
    return {
        "codigo_produto": _number(product),
        "codigo": product.code,
        "codigo_produto_integracao": f"{product.code}          ",
        "descricao": f"REM&Eacute;DIO {product.code} 1/2&quot;",
        "descr_detalhada": product.text.replace("É", "&Eacute;"),
        "obs_internas": product.audience,
        "ean": "",
        "marca": "",
        "inativo": "S" if product.inactive else "N",
        "bloqueado": "N",
        "info": {"dInc": "02/01/2020", "hInc": "03:04:05", "dAlt": at.strftime("%d/%m/%Y"), "hAlt": at.strftime("%H:%M:%S")},
    }


def fault(code: str, words: str, status: int = 500) -> Reply:
    """What Omie says instead of an answer."""
    return told({"faultstring": words, "faultcode": code}, status)


def nothing(page: int) -> Reply:
    """How Omie says that there is nothing."""
    return fault("SOAP-ENV:Client-5113", f"ERROR: Não existem registros para a página [{page}]!")


def _number(product: Product) -> int:
    return 1_229_930_000 + product.number
