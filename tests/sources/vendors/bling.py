"""Bling's API v3, as its documentation and public integrations show it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from indexer.sources.base import Source
from tests.sources.standin import Reply, Request, StandIn, told
from tests.sources.vendors.vendor import Product, Vendor, by_number

_PAGE = 3
_ZONE = ZoneInfo("America/Sao_Paulo")
_CLIENT = "sac-client"
_ASKED = {"pagina", "limite", "criterio", "tipo", "dataAlteracaoInicial", "dataAlteracaoFinal"}


class Bling(Vendor):
    """Pages by number without texts and without a total; a refresh token works once; what was deleted is in a list of its own."""

    kind = "bling"
    has_sessions = True
    has_feed = True

    def __init__(self) -> None:
        super().__init__()
        self.refresh = "refresh-0"
        self.access = ""
        self.renewals = 0

    @property
    def table(self) -> str:
        """See Vendor."""
        client = f'client_id = "{_CLIENT}"\nclient_secret = {{ env = "SECRET" }}\ntokens = "bling.tokens"\n'
        return f'{client}fields = {{ audience = "observacoes" }}'

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return str(_number(product))

    def source(self, folder: Path, stand_in: StandIn, more: str = "") -> Source:
        """See Vendor."""
        # As a person puts it there; that it is kept is test_bling.py's.
        (folder / "bling.tokens").write_text(f"{self.refresh}\n")
        return super().source(folder, stand_in, more)

    def expire(self) -> None:
        """See Vendor."""
        self.access = ""

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if (request.method, request.path) == ("POST", "/oauth/token"):
            return self._renewed(request)
        if not self.access or request.headers.get("Authorization") != f"Bearer {self.access}":
            return error(401, "invalid_token", "The access token provided is invalid")
        match request.path.strip("/").split("/"):
            case ["produtos"]:
                return self._listed(request.query)
            case ["produtos", str(number)]:
                found = [product for product in self.products.values() if str(_number(product)) == number]
                return told({"data": detail(found[0])}) if found else error(404, "RESOURCE_NOT_FOUND", "O recurso não foi encontrado")
        return error(404, "RESOURCE_NOT_FOUND", "URN")

    def limited(self) -> Reply:
        """See Vendor."""
        reply = too_many("second")
        return Reply(reply.body, reply.status, dict(reply.headers) | {"Retry-After": "0"})

    def _renewed(self, request: Request) -> Reply:
        client = base64.b64encode(f"{_CLIENT}:{self.secrets['SECRET']}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {client}":
            return error(401, "invalid_client", "invalid_client")
        if parse_qs(request.body.decode()) != {"grant_type": ["refresh_token"], "refresh_token": [self.refresh]}:
            return error(400, "invalid_grant", f"Invalid refresh token {self.refresh}")
        self.renewals += 1
        self.refresh, self.access = f"refresh-{self.renewals}", f"access-{self.renewals}"
        tokens = {"access_token": self.access, "refresh_token": self.refresh}
        return told(tokens | {"expires_in": 21600, "token_type": "Bearer", "scope": "98309"})

    def _listed(self, query: Mapping[str, str]) -> Reply:
        if unknown := set(query) - _ASKED:
            return error(400, "VALIDATION_ERROR", unknown.pop())
        if query["criterio"] == "4":
            found = [(gone.product, gone.at) for gone in self.gone]
        else:
            found = [(product, product.edited) for product in by_number(self.products)]
        if "dataAlteracaoInicial" in query or "dataAlteracaoFinal" in query:
            start, end = (
                datetime.strptime(query[f"dataAlteracao{which}"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE)
                for which in ("Inicial", "Final")
            )
            if end - start > timedelta(days=365):
                return error(400, "VALIDATION_ERROR", "O período informado é maior que 1 ano.")
            found = [(product, at) for product, at in found if start <= at <= end]
        size, page = min(int(query["limite"]), _PAGE), int(query["pagina"])
        rows = [_row(product, gone=query["criterio"] == "4") for product, _ in found[(page - 1) * size : page * size]]
        return told({"data": rows})


def _row(product: Product, *, gone: bool = False) -> dict[str, Any]:
    return {
        "id": _number(product),
        "nome": f"Remédio {product.code}",
        "codigo": product.code,
        "preco": 0.9,
        "tipo": "P",
        "situacao": "E" if gone else "I" if product.inactive else "A",
        "formato": "S",
        "descricaoCurta": "",
        "imagemURL": "",
    }


def detail(product: Product) -> dict[str, Any]:
    """A product with its texts."""
    return _row(product) | {
        "dataValidade": "0000-00-00",
        "unidade": "Un",
        "gtin": "",
        "marca": "",
        "descricaoComplementar": f"<div><pre>{product.text}</pre></div>",
        "observacoes": product.audience,
        "categoria": {"id": 13410739},
    }


def error(status: int, kind: str, words: str) -> Reply:
    """How Bling says no."""
    return told({"error": {"type": kind, "message": words, "description": words}}, status)


def too_many(period: str) -> Reply:
    """How Bling says that its limit was met."""
    words = "O limite de requisições por segundo foi atingido, tente novamente mais tarde."
    about = {"type": "TOO_MANY_REQUESTS", "message": "Limite de requisições atingido.", "description": words, "limit": 3, "period": period}
    return told({"error": about}, 429)


def _number(product: Product) -> int:
    return 16_639_418_000 + product.number
