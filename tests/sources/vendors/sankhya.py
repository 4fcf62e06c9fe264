"""Sankhya: loadRecords at the gateway and at a server of the house, as documentation and public integrations show it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.vendor import Product, Vendor, by_number

_PAGE = 3
_ZONE = ZoneInfo("America/Sao_Paulo")
_FORMAT = "%d/%m/%Y %H:%M:%S"


class Sankhya(Vendor):
    """The gateway by OAuth 2, with the change log switched on. Its session's end comes with status 200."""

    kind = "sankhya"
    has_sessions = True
    has_feed = True
    time: ClassVar[str] = "DTALTER"
    """The column that holds the time of edit; the other one is unknown."""
    root: ClassVar[str] = "/gateway/v1"

    def __init__(self) -> None:
        super().__init__()
        self.open: set[str] = set()
        self.logins = 0
        self.log_is_on = True

    @property
    def table(self) -> str:
        """See Vendor."""
        keys = 'client_id = "app"\nclient_secret = { env = "SECRET" }\ntoken = { env = "SECRET" }\nchange_log = true\n'
        return f'{keys}fields = {{ audience = "AD_PUBLICO" }}'

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return str(product.number)

    def expire(self) -> None:
        """See Vendor."""
        self.open.clear()

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if (reply := self.let_in(request)) is not None:
            return reply
        if request.method != "POST" or request.path != f"{self.root}/mge/service.sbr" or request.query.get("outputType") != "json":
            return Reply(b"<html>Not Found</html>", 404, {"Content-Type": "text/html"})
        if self.shown(request) not in self.open:
            return self.signed_out()
        asked = json.loads(request.body)
        assert asked["serviceName"] == request.query["serviceName"]
        match asked["serviceName"]:
            case "CRUDServiceProvider.loadRecords":
                return self._loaded(asked["requestBody"]["dataSet"])
            case "GatewayServiceProviderSP.logAlteracoesTabelas":
                return self._logged(asked["requestBody"])
        return failed("Serviço não encontrado")

    def let_in(self, request: Request) -> Reply | None:
        """The answer to a login; None where it is none."""
        if (request.method, request.path) != ("POST", "/authenticate"):
            return None
        right = {"grant_type": ["client_credentials"], "client_id": ["app"], "client_secret": [self.secrets["SECRET"]]}
        if request.headers.get("X-Token") != self.secrets["SECRET"] or parse_qs(request.body.decode()) != right:
            return told({"error": "invalid_client", "error_description": f"not {request.headers.get('X-Token')}"}, 401)
        return told({"access_token": self.opened(), "expires_in": 300, "token_type": "Bearer"})

    def shown(self, request: Request) -> str:
        """Which session a request shows."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def signed_out(self) -> Reply:
        """What a request without a session is answered."""
        return told({"serviceName": "", "status": "3", "statusMessage": "Não autorizado."})

    def opened(self) -> str:
        """A session that is new."""
        self.logins += 1
        self.open.add(f"session-{self.logins}")
        return f"session-{self.logins}"

    def limited(self) -> Reply:
        """See Vendor."""
        return Reply(b"", 429, {"Retry-After": "0"})

    def _loaded(self, asked: Mapping[str, Any]) -> Reply:
        (entity,) = asked["entity"]
        names = [name.strip() for name in entity["fieldset"]["list"].split(",")]
        found = [_columns(product, self.time) for product in by_number(self.products)]
        known = _columns(Product(0, "", "", datetime.now(_ZONE)), self.time)
        criteria = asked.get("criteria", {"expression": {"$": ""}, "parameter": []})
        conditions = _conditions(criteria["expression"]["$"], criteria["parameter"])
        if wrong := [name for name in (*names, *(one["name"] for one in conditions)) if name not in known]:
            return failed(f"Descriptor do campo '{wrong[0]}' inválido")
        if asked["rootEntity"] != "Produto" or asked["orderByExpression"] != "this.CODPROD":
            return failed("ORA-00904")
        meeting = [row for row in found if all(_meets(row, one) for one in conditions)]
        start = int(asked["offsetPage"]) * _PAGE
        return records(names, meeting[start : start + _PAGE], more=len(meeting) > start + _PAGE, page=asked["offsetPage"])

    def _logged(self, asked: Mapping[str, Any]) -> Reply:
        """In a shape of ours: the vendor's is not published."""
        since = datetime.fromisoformat(asked["dhAlter"]).replace(tzinfo=_ZONE) if "dhAlter" in asked else None
        edits = [(p.number, p.edited, "U") for p in by_number(self.products)] + [(gone.product.number, gone.at, "D") for gone in self.gone]
        found = [one for one in edits if self.log_is_on and (since is None or one[1] >= since)]
        start = asked["page"] * _PAGE
        entries = [
            {"entidade": "Produto", "operacao": kind, "dhAlter": f"{at:%Y-%m-%dT%H:%M:%S}", "chave": f"CODPROD={number}"}
            for number, at, kind in found[start : start + _PAGE]
        ]
        return answered({"logs": entries} if entries else {})


class SankhyaServer(Sankhya):
    """A server of the house: a session by cookie; the column has the other name, and no log tells of deletions."""

    has_feed = False
    time = "DHALTER"
    root = ""

    @property
    def table(self) -> str:
        """See Vendor."""
        return 'login = "session"\nusername = "SAC"\npassword = { env = "SECRET" }\nfields = { audience = "AD_PUBLICO" }'

    def let_in(self, request: Request) -> Reply | None:
        """See Sankhya."""
        if request.query.get("serviceName") != "MobileLoginSP.login":
            return None
        asked = json.loads(request.body)["requestBody"]
        if (asked["NOMUSU"]["$"], asked["INTERNO"]["$"]) != ("SAC", self.secrets["SECRET"]):
            return failed(f"Usuário/Senha inválido. ({asked['INTERNO']['$']})")
        return answered({"callID": {"$": "1"}, "jsessionid": {"$": self.opened()}, "idusu": {"$": "MA=="}})

    def shown(self, request: Request) -> str:
        """See Sankhya."""
        return request.headers.get("Cookie", "").removeprefix("JSESSIONID=")


def answered(body: Mapping[str, Any]) -> Reply:
    """What a service answers."""
    return told({"serviceName": "x", "status": "1", "pendingPrinting": "false", "transactionId": "7EC5", "responseBody": body})


def failed(words: str, status: str = "0") -> Reply:
    """How a service says that it failed: with status 200."""
    return told({"serviceName": "x", "status": status, "pendingPrinting": "false", "statusMessage": words})


def records(names: Sequence[str], rows: Sequence[Mapping[str, str]], *, more: bool = False, page: str = "0") -> Reply:
    """Some of loadRecords' records: one without a list around it, an empty value without its $, keys in no order."""
    shown = [{f"f{number}": {"$": row[name]} if row[name] else {} for number, name in reversed(list(enumerate(names)))} for row in rows]
    about = {"total": str(len(rows)), "hasMoreResult": str(more).lower(), "offsetPage": page, "offset": page}
    fields = [{"name": name} for name in names]
    about["metadata"] = {"fields": {"field": fields[0] if len(fields) == 1 else fields}}  # type: ignore[assignment]  # JSON
    if shown:
        about["entity"] = shown[0] if len(shown) == 1 else shown  # type: ignore[assignment]  # JSON
    return answered({"entities": about})


def _columns(product: Product, time: str) -> dict[str, str]:
    return {
        "CODPROD": str(product.number),
        "DESCRPROD": f"REMÉDIO {product.code}",
        "MARCA": "",
        "REFERENCIA": "",
        time: product.edited.astimezone(_ZONE).strftime(_FORMAT),
        "ATIVO": "N" if product.inactive else "S",
        "CARACTERISTICAS": product.text,
        "AD_PUBLICO": product.audience,
    }


def _conditions(expression: str, parameters: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """A criterion taken apart; whatever else it holds is refused by its name."""
    left = list(parameters)
    found = []
    for part in filter(None, expression.split(" AND ")):
        told_of = re.fullmatch(r"this\.(\w+) (>|IN) (\?|\(\?(?:, \?)*\))", part)
        assert told_of, part
        values = [left.pop(0) for _ in range(told_of[3].count("?"))]
        assert all(one["type"] == ("H" if told_of[1] in ("DHALTER", "DTALTER") else "I") for one in values), parameters
        found.append({"name": told_of[1], "operator": told_of[2], "values": [_comparable(one["$"]) for one in values]})
    assert not left, parameters
    return found


def _meets(row: Mapping[str, str], condition: Mapping[str, Any]) -> bool:
    here, values = _comparable(row[condition["name"]]), condition["values"]
    return here in values if condition["operator"] == "IN" else bool(here > values[0])


def _comparable(value: str) -> Any:
    return int(value) if value.isdecimal() else datetime.strptime(value, _FORMAT)  # noqa: DTZ007 both are the server's
