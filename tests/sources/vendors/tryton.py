"""No stand-in but Tryton 8.2 itself: a test's products are kept in a real server, and what it answers goes through here, faults and all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
import requests

from tests.sources.standin import Reply, Request
from tests.sources.trytons import PASSWORD, Trytond
from tests.sources.vendors.vendor import Product, Vendor

_MOST = 3


class Tryton(Vendor):
    """The real server. Of a search it gives three records at most, so that there are pages to lose something between.

    Products are made and deleted by its own RPC, and edited in its database, because it would date edits itself: test_tryton.py edits them
    as people do.
    """

    kind = "tryton"
    tick = timedelta(microseconds=1)
    has_sessions = True
    hangs = True
    tells_of_hanging = True
    secrets: ClassVar[Mapping[str, str]] = {"SECRET": PASSWORD}

    def __init__(self, server: Trytond) -> None:
        super().__init__()
        self._server = server
        self._templates: dict[int, int] = {}
        server.delete_products()

    @classmethod
    def made(cls, request: pytest.FixtureRequest) -> Tryton:
        """See Vendor."""
        return cls(request.getfixturevalue("tryton"))

    @property
    def table(self) -> str:
        """See Vendor. Tryton has no fields of a customer's own without a module of his, so the audience stands in one of its own."""
        return 'database = "bulas"\nusername = "admin"\npassword = { env = "SECRET" }\nfields = { audience = "template.code" }'

    def put(self, code: str, word: str, *, at: datetime | None = None, **more: object) -> None:
        """See Vendor."""
        with self.lock:
            super().put(code, word, at=at, **more)
            product = self.products[code]
            if product.number not in self._templates:
                product = self.products[code] = replace(product, number=self._added(code))
            shown = f"{product.edited:%Y-%m-%d %H:%M:%S.%f}"
            dated = {"create_date": shown, "write_date": shown}
            self._server.set("product_template", self._templates[product.number], code=product.audience, **dated)
            self._server.set("product_product", product.number, description=product.text, active=not product.inactive, **dated)

    def _added(self, code: str) -> int:
        """A new product's id."""
        row = {"name": f"Remédio {code}", "default_uom": 1, "type": "goods", "products": []}
        (template,) = self._server.rpc("model.product.template.create", [row], {})
        (number,) = self._server.rpc("model.product.product.create", [{"template": template, "suffix_code": uuid.uuid4().hex}], {})
        self._templates[number] = template
        return int(number)

    def hang(self, code: str, name: str, body: bytes, *, at: datetime | None = None) -> None:
        """See Vendor."""
        with self.lock:
            super().hang(code, name, body, at=at)
            self._server.attach(f"product.product,{self.products[code].number}", name, body)

    def delete(self, code: str) -> None:
        """See Vendor."""
        with self.lock:
            template = self._templates.pop(self.products[code].number)
            super().delete(code)
            self._server.rpc("model.product.template.delete", [template], {})

    def expire(self) -> None:
        """See Vendor."""
        self._server.forget_sessions()

    def source_id(self, product: Product) -> str:
        """See Vendor."""
        return str(product.number)

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        asked = json.loads(request.body)
        if asked["method"].endswith(".search_read"):
            asked["params"][2] = min(asked["params"][2], _MOST)
        shown = {name: value for name, value in request.headers.items() if name == "Authorization"}
        told = requests.request(request.method, f"{self._server.url}{request.path}", json=asked, headers=shown, timeout=30)
        return Reply(told.content, told.status_code, {"Content-Type": told.headers["Content-Type"]})

    def limited(self) -> Reply:
        """Tryton limits logins alone; the web server before it may limit more."""
        return Reply(b"<html><h1>429 Too Many Requests</h1></html>", 429, {"Content-Type": "text/html", "Retry-After": "0"})
