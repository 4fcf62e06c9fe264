"""Frappe 16 as it was measured: naive times in the site's zone, microseconds, errors with tracebacks, a list of what was deleted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.vendor import Vendor, by_number

ZONE = "Asia/Kolkata"
_MOST = 3
_STANDARD = ("name", "owner", "creation", "modified", "docstatus")
_FIELDS: Mapping[str, Sequence[str]] = {
    "Item": (*_STANDARD, "item_code", "item_name", "description", "disabled", "custom_publico"),
    "File": (*_STANDARD, "file_name", "file_url", "is_private", "attached_to_doctype", "attached_to_name", "content_hash"),
    "Deleted Document": (*_STANDARD, "deleted_doctype", "deleted_name", "restored"),
}


class Frappe(Vendor):
    """Lists by the REST API, of three documents at most, whatever is asked for."""

    kind = "frappe"
    tick = timedelta(microseconds=1)
    has_feed = True
    hangs = True
    tells_of_hanging = True

    forbidden: tuple[str, ...] = ()
    """Doctypes that the user may not read."""

    restored: bool = False
    """Whether its user took deletions back."""

    zone: str | None = ZONE
    """What it tells of its time zone."""

    @property
    def table(self) -> str:
        """See Vendor."""
        return 'api_key = "0a1b2c"\napi_secret = { env = "SECRET" }\nfields = { audience = "custom_publico" }'

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        shown = request.headers.get("Authorization")
        if request.path.startswith("/private/files/"):
            return self._file(unquote(request.path)) if shown == self._token else _page(403, "Forbidden")
        if shown is None:
            return _error(403, "PermissionError", "Login to access")
        if shown != self._token:
            return _error(401, "AuthenticationError", "")
        if request.path == "/api/method/frappe.client.get_time_zone":
            return told({"message": {"time_zone": self.zone}})
        if request.method != "GET" or not request.path.startswith("/api/resource/"):
            return _page(404, "Not Found")
        return self._listed(unquote(request.path.removeprefix("/api/resource/")), request.query)

    def limited(self) -> Reply:
        """A site's rate_limit; its Retry-After is as long as its window has left."""
        return Reply(b"Too Many Requests", 429, {"Content-Type": "text/html", "Retry-After": "0", "X-RateLimit-Remaining": "0"})

    @property
    def _token(self) -> str:
        return f"token 0a1b2c:{self.secrets['SECRET']}"

    def _listed(self, doctype: str, query: Mapping[str, str]) -> Reply:
        if doctype not in _FIELDS:
            return _error(404, "DoesNotExistError", f"DocType {doctype} not found")
        if doctype in self.forbidden:
            return _error(403, "PermissionError", f"User <b>sac</b> does not have doctype access for document <b>{doctype}</b>")
        asked, filters = json.loads(query.get("fields", '["name"]')), json.loads(query.get("filters", "[]"))
        for name in [*asked, *(one[0] for one in filters)]:
            if name not in _FIELDS[doctype]:
                return _error(417, "DataError", f"Field not permitted in query: {name}")
        if query.get("order_by") != "name asc":
            return _error(417, "DataError", "Order By")
        rows = [row for row in self._rows(doctype) if all(_meets(row, one) for one in filters)]
        start, most = int(query.get("limit_start", "0")), min(int(query.get("limit_page_length", "20")) or _MOST, _MOST)
        page = sorted(rows, key=lambda row: str(row["name"]))[start : start + most]
        return told({"data": [{name: row[name] for name in asked} for row in page]})

    def _rows(self, doctype: str) -> list[dict[str, Any]]:
        products = by_number(self.products)
        if doctype == "Item":
            return [
                _row(p.code, p.edited)
                | {
                    "item_code": p.code,
                    "item_name": f"Remédio {p.code}",
                    "description": f'<div class="ql-editor"><pre>{p.text}</pre></div>',
                    "disabled": int(p.inactive),
                    "custom_publico": p.audience,
                }
                for p in products
            ]
        if doctype == "File":
            return [
                _row(f"f{one.number:09}", one.hung_at)
                | {
                    "file_name": one.name,
                    "file_url": f"/private/files/{one.number} {one.name}",
                    "is_private": 1,
                    "attached_to_doctype": "Item",
                    "attached_to_name": p.code,
                    "content_hash": hashlib.md5(one.body).hexdigest(),
                }
                for p in products
                for one in p.hung
            ]
        return [
            _row(f"d{number:09}", gone.at) | {"deleted_doctype": "Item", "deleted_name": gone.product.code, "restored": int(self.restored)}
            for number, gone in enumerate(self.gone)
        ]

    def _file(self, path: str) -> Reply:
        for product in self.products.values():
            for one in product.hung:
                if path == f"/private/files/{one.number} {one.name}":
                    return Reply(one.body, 200, {"Content-Type": "application/pdf"})
        return _page(404, "Not Found")


def shown(at: datetime) -> str:
    """A time as the site writes it."""
    return at.astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _row(name: str, at: datetime) -> dict[str, Any]:
    return {"name": name, "owner": "Administrator", "creation": shown(at), "modified": shown(at), "docstatus": 0}


def _meets(row: Mapping[str, Any], clause: Sequence[Any]) -> bool:
    name, operator, value = clause
    match operator:
        case "=":
            return bool(row[name] == value)
        case ">":
            return bool(str(row[name]) > value)
        case "in":
            return row[name] in value
    raise AssertionError(operator)


def _error(status: int, kind: str, message: str) -> Reply:
    packed = [json.dumps({"message": message, "title": "Message", "indicator": "red", "raise_exception": 1})]
    trace = 'Traceback (most recent call last):\n  File "apps/frappe/frappe/app.py", line 114, in application\n'
    body = {"exception": f"frappe.exceptions.{kind}: {message}", "exc_type": kind, "exc": json.dumps([trace + message])}
    return told(body | ({"_server_messages": json.dumps(packed)} if message else {}), status=status)


def _page(status: int, title: str) -> Reply:
    return Reply(f"<!DOCTYPE html><html><title>{title}</title></html>".encode(), status, {"Content-Type": "text/html; charset=utf-8"})
