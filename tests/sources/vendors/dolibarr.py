"""Dolibarr 16 as it was measured: all scalars strings, 404 for nothing, the server's own time, 503 for a wrong question."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.vendor import Hung, Product, Vendor, by_number

ZONE = ZoneInfo("America/Manaus")
_API = "/api/index.php"
_MOST = 3
_COLUMNS = ("rowid", "ref", "tms", "tosell", "tobuy")
_CLAUSE = re.compile(r"\(t\.(\w+):(>|>=|=):('[^']*'|\d+)\)")


class Dolibarr(Vendor):
    """Products and their files, of three products a page at most, whatever is asked for."""

    kind = "dolibarr"
    hangs = True

    empty_is_404: bool = True
    """Up to version 17; later ones give an empty list."""

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'api_key = { env = "SECRET" }\n'
            'fields = { audience = "array_options.options_publico", text = "array_options.options_bula", timezone = "America/Manaus" }'
        )

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if not request.path.startswith(_API):
            return Reply(b"<!DOCTYPE html><h1>404</h1>", 404, {"Content-Type": "text/html"})
        if request.headers.get("DOLAPIKEY") != self.secrets["SECRET"]:
            return error(401, "Unauthorized: Failed to login to API. No parameter 'HTTP_DOLAPIKEY' or wrong key")
        match request.path.removeprefix(_API):
            case "/products":
                return self._listed(request)
            case "/documents":
                return self._files(request.query["modulepart"], request.query["id"])
            case "/documents/download":
                return self._file(request.query["modulepart"], request.query["original_file"])
        return error(404, "Not Found")

    def limited(self) -> Reply:
        """It has no limits of its own; the web server before it does."""
        return Reply(b"<html><h1>429 Too Many Requests</h1></html>", 429, {"Content-Type": "text/html", "Retry-After": "0"})

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return str(product.number)

    def _listed(self, request: Request) -> Reply:
        query = request.query
        if (query.get("sortfield", "t.ref"), query.get("sortorder", "ASC")) != ("t.rowid", "ASC"):
            return error(400, "Bad Request: unknown order")
        products = by_number(self.products)
        filters = query.get("sqlfilters", "")
        if filters and _CLAUSE.sub("", filters).replace("and", "").strip():
            return error(503, f"Service Unavailable: Error when validating parameter sqlfilters {filters}")
        for column, operator, value in _CLAUSE.findall(filters):
            if column not in _COLUMNS:
                return error(503, f"Service Unavailable: Error when retrieve product list : Unknown column 't.{column}' in 'WHERE'")
            products = [p for p in products if _meets(p, column, operator, value.strip("'"))]
        most = min(int(query.get("limit", "100")), _MOST)
        page = products[int(query.get("page", "0")) * most :][:most]
        if not page and self.empty_is_404:
            return error(404, "Not Found: No product found")
        return told([_row(product) for product in page])

    def _files(self, part: str, number: str) -> Reply:
        found = [p for p in self.products.values() if str(p.number) == number]
        if part != "product" or not found:
            return error(404, "Not Found: Product not found")
        if not found[0].hung:
            return error(404, f"Not Found: Search for modulepart {part} with Id {number} does not return any document.")
        return told([_document(found[0], one) for one in found[0].hung])

    def _file(self, part: str, path: str) -> Reply:
        for product in self.products.values():
            for one in product.hung:
                if (part, path) == ("product", f"{product.code}/{one.name}"):
                    packed = base64.b64encode(one.body).decode()
                    about = {"filename": one.name, "content-type": "application/pdf", "filesize": str(len(one.body))}
                    return told(about | {"content": packed, "encoding": "base64"})
        return error(404, "Not Found: File not found")


def error(status: int, message: str) -> Reply:
    """An error in Dolibarr's shape."""
    return told({"error": {"code": status, "message": message}}, status=status)


def shown(at: datetime) -> str:
    """A time as the server writes it."""
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _row(product: Product) -> dict[str, Any]:
    return {
        "id": str(product.number),
        "ref": product.code,
        "label": f"Remédio {product.code}",
        "description": "",
        "barcode": None,
        "price": "0.00000000",
        "status": str(int(not product.inactive)),
        "status_buy": "1",
        "date_creation": "2020-01-01 00:00:00",
        "date_modification": shown(product.edited),
        "array_options": {"options_bula": f"<pre>{product.text}</pre>", "options_publico": product.audience},
    }


def _document(product: Product, one: Hung) -> dict[str, Any]:
    path = f"/var/lib/dolibarr/documents/produit/{product.code}"
    return {
        "name": one.name,
        "path": path,
        "level1name": product.code,
        "relativename": one.name,
        "fullname": f"{path}/{one.name}",
        "date": int(one.hung_at.timestamp()),
        "size": len(one.body),
        "type": "file",
    }


def _meets(product: Product, column: str, operator: str, value: str) -> bool:
    here, there = (product.number, int(value)) if column == "rowid" else (shown(product.edited), value)
    return {">": here > there, ">=": here >= there, "=": here == there}[operator]  # type: ignore[operator]  # both of one kind
