"""SAP Business One's Service Layer, versions 1 and 2."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.odata import Filter, Refused, compared, text
from tests.sources.vendors.vendor import Product, Vendor

# A cap that nothing tells of (PageSize in b1s.conf), and what a page has that was asked for without a size.
_CAP, _UNASKED = 3, 2
_ZONE = ZoneInfo("America/Sao_Paulo")
_OTHERS = ("CreateDate", "CreateTime")


class SapB1(Vendor):
    """Version 2: literals of dates as they are, errors with texts for codes and messages."""

    kind = "sap_b1"
    has_sessions = True
    hangs = True
    version = "v2"

    def __init__(self) -> None:
        super().__init__()
        self.sessions: set[str] = set()
        self.logins = 0
        self.share_is_down = False
        self.share_error = -5002

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            f'api = "{self.version}"\ncompany = "SBO_FARMACIA"\nusername = "sac"\npassword = {{ env = "SECRET" }}\n'
            'fields = { text = "U_Bula", audience = "U_Publico" }'
        )

    def expire(self) -> None:
        """See Vendor."""
        self.sessions.clear()

    def error(self, status: int, code: int, message: str) -> Reply:
        """An error as this version writes it."""
        return told({"error": {"code": str(code), "message": message}}, status)

    def limited(self) -> Reply:
        """The balancer in front, with no node free."""
        return Reply(b"<html><h1>Service Unavailable</h1></html>", 503, {"Content-Type": "text/html"})

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if "Expect" in request.headers:
            return Reply(b"", 500, {})
        root = f"/b1s/{self.version}/"
        if request.path == f"{root}Login":
            return self._login(request)
        cookies = dict(pair.split("=", 1) for pair in request.headers.get("Cookie", "").split("; ") if "=" in pair)
        if cookies.get("B1SESSION") not in self.sessions or cookies.get("ROUTEID") != ".node1":
            return self.error(401, 301, "Invalid session or session already timeout.")
        if request.method == "GET" and request.path == f"{root}Items":
            return self._items(request)
        if request.method == "GET" and (entry := re.fullmatch(rf"{root}Attachments2\((\d+)\)(/\$value)?", request.path)):
            return self._attachments(int(entry[1]), request.query.get("filename") if entry[2] else None)
        return self.error(404, -1000, f"Resource not found for the segment {request.path}.")

    def _login(self, request: Request) -> Reply:
        body = json.loads(request.body)
        if body != {"CompanyDB": "SBO_FARMACIA", "UserName": "sac", "Password": self.secrets["SECRET"]}:
            return self.error(401, 100000027, "Login failed")
        self.logins += 1
        session = f"{self.logins:08}-cc64-11e6-8000-000c29c8a56f"
        self.sessions.add(session)
        reply = json.dumps({"SessionId": session, "Version": "1000190", "SessionTimeout": 30}).encode()
        # No Path, and a semicolon too many.
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(reply)}\r\n"
            f"Set-Cookie: B1SESSION={session};HttpOnly;\r\nSet-Cookie: ROUTEID=.node1; path=/b1s\r\n\r\n"
        )
        return Reply(raw=(head.encode() + reply,))

    def _items(self, request: Request) -> Reply:
        rows = sorted((self._row(p) for p in self.products.values()), key=lambda row: str(row["ItemCode"]))
        known = set(self._row(Product(0, "", "", datetime.now(UTC))))
        names = request.query.get("$select", "").split(",")
        if wrong := [name for name in names if name not in known]:
            return self.error(400, -1000, f"Property '{wrong[0]}' of 'Item' is invalid")
        try:
            wanted = Filter(request.query.get("$filter", ""), self.compare)
            found = [row for row in rows if wanted.of(row)]
        except Refused as refused:
            return self.error(400, 201, f"Invalid filter: {refused}")
        if request.query.get("$orderby") != "ItemCode":
            return self.error(400, 201, "Invalid $orderby")
        prefer = re.fullmatch(r"odata\.maxpagesize=(\d+)", request.headers.get("Prefer", ""))
        size = min(int(prefer[1]), _CAP) if prefer else _UNASKED
        link = {self.link: f"Items?$skip={size}"} if len(found) > size else {}
        return told({"value": [{name: row[name] for name in names} for row in found[:size]], **link})

    link = "@odata.nextLink"

    def compare(self, value: Any, operator: str, literal: str) -> bool:
        """See Filter: texts in quotes, dates and times without, and of times the minutes alone."""
        if literal.startswith("'"):
            if re.fullmatch(r"'\d{4}-\d\d-\d\d'|'\d\d:\d\d:\d\d'", literal):
                raise ValueError
            return compared(value, operator, text(literal))
        return compared_times(value, operator, literal)

    def _row(self, product: Product) -> dict[str, Any]:
        at = product.edited.astimezone(_ZONE)
        return {
            "ItemCode": product.code,
            "ItemName": f"Remédio {product.code}",
            "BarCode": None,
            "Valid": "tNO" if product.inactive else "tYES",
            "Frozen": "tNO",
            "UpdateDate": f"{at:%Y-%m-%d}",
            "UpdateTime": f"{at:%H:%M:%S}",
            "CreateDate": "2020-01-01",
            "CreateTime": "00:00:00",
            "AttachmentEntry": product.number if product.hung else None,
            "User_Text": "",
            "U_Bula": product.text,
            "U_Publico": product.audience,
        }

    def _attachments(self, entry: int, name: str | None) -> Reply:
        product = next((p for p in self.products.values() if p.number == entry and p.hung), None)
        if product is None:
            return self.error(404, -2028, "No matching records found (ODBC -2028)")
        if name is None:
            lines = [_line(one.name, f"{one.hung_at.astimezone(_ZONE):%Y-%m-%d}") for one in product.hung]
            return told({"AbsoluteEntry": entry, "Attachments2_Lines": lines})
        if self.share_is_down:
            return self.error(404, self.share_error, "Fail to get the LINUX mount point, please check the configuration")
        found = next((one for one in product.hung if one.name == text(name)), None)
        if found is None:
            return self.error(404, -1000, f"File {name} not found")
        return Reply(found.body, 200, {"Content-Type": "application/octet-stream"})


class SapB1V1(SapB1):
    """Version 1: every literal in quotes, errors with a number and a text in a language; items without CreateDate and CreateTime."""

    version = "v1"
    link = "odata.nextLink"

    def error(self, status: int, code: int, message: str) -> Reply:
        """See SapB1."""
        return told({"error": {"code": code, "message": {"lang": "en-us", "value": message}}}, status)

    def compare(self, value: Any, operator: str, literal: str) -> bool:
        """See SapB1."""
        return compared_times(value, operator, text(literal))

    def _row(self, product: Product) -> dict[str, Any]:
        row = super()._row(product)
        return {name: value for name, value in row.items() if name not in _OTHERS}


def compared_times(value: Any, operator: str, literal: str) -> bool:
    """Times are compared by their minutes."""
    if re.fullmatch(r"\d\d:\d\d:\d\d", literal):
        return compared(value[:5], operator, literal[:5])
    return compared(value, operator, literal)


def _line(name: str, date: str) -> dict[str, Any]:
    stem, _, extension = name.rpartition(".")
    return {"SourcePath": r"\\share\anexos", "FileName": stem, "FileExtension": extension, "AttachmentDate": date, "UserID": "1"}
