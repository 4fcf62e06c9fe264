"""Odoo 16 as it was measured (JSON-RPC), and JSON-2 as Odoo 19 documents it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.vendor import Hung, Product, Vendor, by_number

_PAGE = 3
_FIELDS = ("id", "name", "default_code", "barcode", "write_date", "active", "description", "x_publico")
_FILE_FIELDS = ("id", "name", "res_id", "res_model", "write_date", "datas", "mimetype")


class Odoo(Vendor):
    """JSON-RPC. Its times have microseconds, of which none is shown."""

    kind = "odoo"
    tick = timedelta(microseconds=1)
    hangs = True
    tells_of_hanging = True

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'database = "farmacia"\nusername = "sac"\npassword = { env = "SECRET" }\n'
            'fields = { id = "default_code", audience = "x_publico" }'
        )

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if request.method != "POST" or request.path != "/jsonrpc":
            return Reply(b"<!doctype html><p>Not Found</p>", 404, {"Content-Type": "text/html"})
        params = json.loads(request.body)["params"]
        match params["service"], params["method"], params["args"]:
            case "common", "authenticate", ["farmacia", "sac", secret, _]:
                return _result(2 if secret == self.secrets["SECRET"] else False)
            case "object", "execute_kw", ["farmacia", 2, secret, model, method, args, options]:
                if secret != self.secrets["SECRET"]:
                    return _error("odoo.exceptions.AccessDenied", "Access Denied")
                return self._called(model, method, {**options, **({"domain": args[0]} if args else {})})
        return _error("builtins.ValueError", "no such method")

    def limited(self) -> Reply:
        """Odoo Online's proxy in front of it."""
        return Reply(b"", 429, {"Retry-After": "0"})

    def _called(self, model: str, method: str, options: Mapping[str, Any]) -> Reply:
        match model, method:
            case "res.users", "context_get":
                return _result({"lang": "pt_BR", "tz": "America/Sao_Paulo", "uid": 2})
            case "product.template" | "ir.attachment", "search_read":
                return self._searched(model, options["domain"], options)
        return _error("builtins.AttributeError", f"The method '{model}.{method}' does not exist")

    def _searched(self, model: str, domain: Sequence[Any], options: Mapping[str, Any]) -> Reply:
        known, rows = (_FIELDS, self._products(domain, options)) if model == "product.template" else (_FILE_FIELDS, self._files(domain))
        wrong = [name for name in options["fields"] if name not in known]
        if wrong:
            return _error("builtins.ValueError", f"Invalid field {wrong[0]!r} on model {model!r}")
        if options["order"] != "id asc":
            return _error("builtins.ValueError", f"Invalid order {options['order']!r}")
        # Fewer than asked for: a cap that nothing tells of.
        found = sorted(rows, key=lambda row: row["id"])[: min(int(options["limit"]), _PAGE)]
        return _result([{name: row[name] for name in ("id", *options["fields"])} for row in found])

    def _products(self, domain: Sequence[Any], options: Mapping[str, Any]) -> list[dict[str, Any]]:
        hidden = options["context"].get("active_test", True)
        # Whoever edited it wrote Portuguese; the other languages still hold what it was made with.
        translated = options["context"].get("lang") == "pt_BR"
        rows = [(_row(p, translated=translated), p.edited) for p in by_number(self.products) if not (p.inactive and hidden)]
        return [row for row, edited in rows if all(_meets(row, edited, clause) for clause in domain)]

    def _files(self, domain: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [(_file(p, one), one.hung_at) for p in by_number(self.products) for one in p.hung]
        return [row for row, edited in rows if all(_meets(row, edited, clause) for clause in domain)]


class OdooJson2(Odoo):
    """JSON-2, of version 19 on."""

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'api = "json2"\ndatabase = "farmacia"\npassword = { env = "SECRET" }\nfields = { id = "default_code", audience = "x_publico" }'
        )

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if (
            request.headers.get("Authorization") != f"Bearer {self.secrets['SECRET']}"
            or request.headers.get("X-Odoo-Database") != "farmacia"
        ):
            return told(
                {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey", "arguments": ["Invalid apikey", 401]}, status=401
            )
        match request.path.strip("/").split("/"):
            case ["json", "2", str(model), str(method)]:
                reply = json.loads(self._called(model, method, json.loads(request.body)).body)
                if "result" in reply:
                    return told(reply["result"])
                data = reply["error"]["data"]
                return told({"name": data["name"], "message": data["message"], "arguments": [], "context": {}, "debug": ""}, status=422)
        return told({"name": "werkzeug.exceptions.NotFound", "message": "404", "arguments": []}, status=404)


def _row(product: Product, *, translated: bool) -> dict[str, Any]:
    return {
        "id": product.number,
        "name": f"Remédio {product.code}",
        "default_code": product.code,
        "barcode": False,
        "write_date": _shown(product.edited),
        "active": not product.inactive,
        "description": f"<div><pre>{product.text if translated else 'as it was made'}</pre></div>",
        "x_publico": product.audience,
    }


def _file(product: Product, one: Hung) -> dict[str, Any]:
    return {
        "id": one.number,
        "name": one.name,
        "res_id": product.number,
        "res_model": "product.template",
        "res_field": False,
        "type": "binary",
        "write_date": _shown(one.hung_at),
        "datas": base64.b64encode(one.body).decode(),
        "mimetype": "application/pdf",
    }


def _meets(row: Mapping[str, Any], edited: datetime, clause: Sequence[Any]) -> bool:
    name, operator, value = clause
    if name == "write_date":
        assert operator == ">="
        return edited >= datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    match operator:
        case "=":
            return bool(row[name] == value)
        case ">":
            return bool(row[name] > value)
        case "in":
            return row[name] in value
    raise AssertionError(operator)


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _result(value: object) -> Reply:
    return told({"jsonrpc": "2.0", "id": 1, "result": value})


def _error(name: str, message: str) -> Reply:
    about = {"name": name, "debug": "Traceback (most recent call last): ...", "message": message, "arguments": [message], "context": {}}
    return told({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": about}})
