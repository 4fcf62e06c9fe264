"""Protheus: the framework's genericList, and a service of a house that hands out the database's own columns."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sources.standin import Reply, Request
from tests.sources.vendors.vendor import Gone, Product, Vendor

# A cap that the server does not tell of.
_PAGE = 3
_COLUMNS = ("B1_FILIAL", "B1_COD", "B1_DESC", "B1_FABRIC", "B1_CODBAR", "B1_MSBLQL", "B1_XBULA", "B1_XPUB")


def cp1252(value: object, status: int = 200) -> Reply:
    """JSON as Protheus sends what it could not convert: the bytes of Windows-1252, under a Content-Type that is only half one."""
    return Reply(json.dumps(value, ensure_ascii=False).encode("cp1252"), status, {"Content-Type": "charset=cp1252"})


def fault(status: int, message: str, detailed: str = "") -> Reply:
    """An error as the TTALK contract has it."""
    return cp1252({"code": str(status), "message": message, "detailedMessage": detailed, "helpUrl": "", "details": []}, status)


class Protheus(Vendor):
    """genericList over SB1: Basic, no times, blocked products marked, deleted ones gone, names of columns in small letters."""

    kind = "protheus"
    has_times = False
    path = "/api/framework/v1/genericList"
    branch = "        "

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'username = "sac"\npassword = { env = "SECRET" }\ntenant = "T1,D MG 01"\npage_size = 4\n'
            'fields = { text = "B1_XBULA", audience = "B1_XPUB" }'
        )

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return "-".join(filter(None, (self.branch.strip(), product.code)))

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if not self.let_in(request):
            return cp1252({"code": 401, "message": "Unauthorized", "detailedMessage": ""}, 401)
        if request.headers.get("TenantId") != "T1,D MG 01":
            return fault(400, "TenantId inválido")
        if request.method != "GET" or request.path != self.path:
            return cp1252({"errorCode": 404, "errorMessage": f"Serviço {request.path} não encontrado"}, 404)
        return self.listed(request)

    def let_in(self, request: Request) -> bool:
        """Whether a request shows who asks."""
        shown = base64.b64encode(f"sac:{self.secrets['SECRET']}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {shown}"

    def listed(self, request: Request) -> Reply:
        """One page."""
        names = request.query.get("fields", "").upper().split(",")
        if request.query.get("alias") != "SB1" or request.query.get("order") != "B1_FILIAL,B1_COD":
            return fault(400, "Parâmetros inválidos", "alias, order")
        if wrong := [name for name in names if name not in _COLUMNS]:
            return fault(400, "Campo inválido", f"O campo {wrong[0]} não existe no dicionário")
        rows = [self.row(p) for p in self.in_order()]
        return self.dealt(request, [{name.lower(): row[name] for name in names} for row in rows])

    def in_order(self) -> list[Product]:
        """The products by their keys."""
        return sorted(self.products.values(), key=lambda product: product.code)

    def row(self, product: Product) -> dict[str, Any]:
        """A product as its table holds it, blanks and all."""
        return {
            "B1_FILIAL": self.branch,
            "B1_COD": product.code.ljust(15),
            "B1_DESC": f"Remédio {product.code}".ljust(30),
            "B1_FABRIC": "Laboratório Inventado".ljust(20 + 10),
            "B1_CODBAR": "".ljust(15),
            "B1_MSBLQL": "1" if product.inactive else "2",
            "B1_XBULA": product.text,
            "B1_XPUB": product.audience.ljust(10),
        }

    def dealt(self, request: Request, rows: Sequence[dict[str, Any]]) -> Reply:
        """The page that was asked for, of as many as were asked for and no more than the cap."""
        page, size = int(request.query["page"]), min(int(request.query["pageSize"]), _PAGE)
        here = rows[(page - 1) * size : page * size]
        left = max(len(rows) - page * size, 0)
        return cp1252({"items": here, "hasNext": left > 0, "remainingRecords": left})

    def limited(self) -> Reply:
        """No instance is free."""
        return Reply(b"", 503, {})


class ProtheusService(Protheus):
    """A service over a view: tokens, S_T_A_M_P_ in UTC, rows marked as deleted."""

    tick = timedelta(milliseconds=1)
    has_times = True
    has_feed = True
    has_sessions = True
    path = "/api/bulas/v1/produtos"
    branch = "D MG 01 "

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'username = "sac"\npassword = { env = "SECRET" }\nauth = "token"\ntenant = "T1,D MG 01"\npage_size = 3\n'
            'path = "api/bulas/v1/produtos"\norder = "B1_FILIAL,B1_COD"\n'
            'changed_since = { parameter = "filter", format = "S_T_A_M_P_ ge \'%Y-%m-%d %H:%M:%S\'" }\n'
            'fields = { text = "B1_XBULA", audience = "B1_XPUB", updated_at = "S_T_A_M_P_" }'
        )

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if request.path == "/api/oauth2/v1/token":
            headers = {name.lower(): value for name, value in request.headers.items()}
            if request.method != "POST" or request.query != {"grant_type": "password"}:
                return fault(400, "grant_type inválido")
            if (headers.get("username"), headers.get("password")) != ("sac", self.secrets["SECRET"]):
                return fault(401, "Invalid user/password")
            self.tokens.append(f"token-{len(self.tokens)}")
            told = {"access_token": self.tokens[-1], "refresh_token": "r", "scope": "default", "token_type": "Bearer", "expires_in": 3600}
            return cp1252(told, 201)
        return super().answer(request)

    def expire(self) -> None:
        """See Vendor."""
        self.tokens.append("")

    def let_in(self, request: Request) -> bool:
        """See Protheus."""
        return bool(self.tokens) and request.headers.get("Authorization") == f"Bearer {self.tokens[-1]}" != "Bearer "

    def listed(self, request: Request) -> Reply:
        """See Protheus."""
        if request.query.get("order") != "B1_FILIAL,B1_COD":
            return fault(400, "Order inválido")
        asked = re.fullmatch(r"S_T_A_M_P_ ge '(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)'", request.query.get("filter", ""))
        if "filter" in request.query and not asked:
            return fault(400, "Filter inválido", request.query["filter"])
        since = datetime.fromisoformat(asked[1]).replace(tzinfo=UTC) if asked else None
        return self.dealt(request, [self.row(p) | more for p, more in self.marked() if since is None or p.edited >= since])

    def marked(self) -> list[tuple[Product, dict[str, Any]]]:
        """Every row of the table with the database's own columns, what was deleted and is not back among them."""
        gone = {one.product.code: one for one in self.gone if one.product.code not in self.products}
        rows = [(p, _inner(p.edited, " ")) for p in self.products.values()]
        rows += [(_deleted(one), _inner(one.at, "*")) for one in gone.values()]
        return sorted(rows, key=lambda row: row[0].code)


def _deleted(one: Gone) -> Product:
    old = one.product
    return Product(old.number, old.code, old.word, one.at, old.audience)


def _inner(at: datetime, deleted: str) -> dict[str, Any]:
    return {"S_T_A_M_P_": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], "D_E_L_E_T_": deleted, "R_E_C_N_O_": 7}
