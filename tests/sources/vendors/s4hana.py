"""S/4HANA's Gateway: API_PRODUCT_SRV in OData 2, api_product in OData 4."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sources.standin import Reply, Request, told
from tests.sources.vendors.odata import Filter, Refused, compared, text
from tests.sources.vendors.vendor import Product, Vendor

# A cap that nothing tells of.
_PAGE = 3


class S4hana(Vendor):
    """Version 2: all under `d`, dates in brackets, a datetimeoffset in a filter, Atom for who does not ask for JSON."""

    kind = "s4hana"
    odata = "v2"
    path = "/sap/opu/odata/sap/API_PRODUCT_SRV/A_Product"
    expands = frozenset({"to_Description", "to_ProductBasicText"})

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            f'odata = "{self.odata}"\nclient = "100"\npage_size = 4\n'
            'auth = { type = "basic", username = "SAC", password = { env = "SECRET" } }\n'
            'fields = { audience = "YY1_Publico_PRD" }'
        )

    def limited(self) -> Reply:
        """The dispatcher's, without a word of JSON."""
        return Reply(b"<html><title>Service cannot be reached</title></html>", 503, {"Content-Type": "text/html", "Retry-After": "0"})

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error as this version writes it."""
        about = {"application": {"service_id": "API_PRODUCT_SRV", "service_version": "0001"}, "transactionid": "137F", "errordetails": []}
        return told({"error": {"code": code, "message": {"lang": "pt", "value": message}, "innererror": about}}, status)

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        shown = base64.b64encode(f"SAC:{self.secrets['SECRET']}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {shown}":
            return Reply(b"<html><h1>401 Unauthorized</h1></html>", 401, {"Content-Type": "text/html", "WWW-Authenticate": "Basic"})
        if request.query.get("sap-client") != "100":
            return self.error(403, "/IWFND/CM_CONSUMER/101", "Sem autorização no mandante")
        if request.method != "GET" or request.path != self.path:
            return self.error(403, "/IWFND/MED/170", f"Nenhum serviço encontrado para {request.path}")
        if request.headers.get("Accept") != "application/json" or (self.odata == "v2") != (request.query.get("$format") == "json"):
            return Reply(b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"/>', 200, {"Content-Type": "application/atom+xml"})
        return self._products(request)

    def _products(self, request: Request) -> Reply:
        expand = set(filter(None, request.query.get("$expand", "").split(",")))
        if wrong := sorted(expand - self.expands):
            return self.error(400, "/IWBEP/CM_MGW_RT/000", f"Property {wrong[0]} not found in type A_ProductType")
        if request.query.get("$orderby") != "Product":
            return self.error(400, "/IWBEP/CM_MGW_RT/000", "Invalid $orderby")
        try:
            wanted = Filter(request.query.get("$filter", ""), self.compare)
            rows = [row for row in self._rows(expand) if wanted.of(row)]
        except Refused as refused:
            return self.error(400, "/IWFND/CM_MGW/005", f"Filter inválido: {refused}")
        return told(self.dealt(rows[: min(int(request.query["$top"]), _PAGE)]))

    def _rows(self, expand: set[str]) -> list[dict[str, Any]]:
        return [self.row(product, expand) for product in sorted(self.products.values(), key=lambda product: product.code)]

    def dealt(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A page."""
        return {"d": {"results": rows}}

    def compare(self, value: Any, operator: str, literal: str) -> bool:
        """See Filter."""
        if isinstance(value, str) and value.startswith("/Date("):
            at = re.fullmatch(r"datetimeoffset'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'", literal)
            if at is None:
                raise ValueError
            return compared(int(value[6:19]), operator, int(datetime.fromisoformat(at[1]).timestamp() * 1000))
        return compared(value, operator, text(literal))

    def row(self, product: Product, expand: set[str]) -> dict[str, Any]:
        """A product as this version has it."""
        uri = f"https://s4.example{self.path}('{product.code}')"
        navigations = {
            "to_Description": [{"Language": "EN", "ProductDescription": "Drug"}, {"Language": "PT", "ProductDescription": "Remédio"}],
            "to_ProductBasicText": _texts(product),
        }
        milliseconds = int(product.edited.timestamp() * 1000)
        return {
            "__metadata": {"id": uri, "uri": uri, "type": "API_PRODUCT_SRV.A_ProductType"},
            "Product": product.code,
            "ProductStandardID": "",
            "LastChangeDateTime": f"/Date({milliseconds}+0000)/",
            "CreationDate": "/Date(1577836800000)/",
            "IsMarkedForDeletion": product.inactive,
            "YY1_Publico_PRD": product.audience,
            **{
                name: {"results": rows} if name in expand else {"__deferred": {"uri": f"{uri}/{name}"}}
                for name, rows in navigations.items()
            },
        }


class S4hanaV4(S4hana):
    """Version 4: rows under `value`, ISO times, errors with a text."""

    odata = "v4"
    tick = timedelta(microseconds=1)
    path = "/sap/opu/odata4/sap/api_product/srvd_a2x/sap/product/0002/Product"
    expands = frozenset({"_ProductDescription", "_ProductBasicText"})

    def error(self, status: int, code: str, message: str) -> Reply:
        """See S4hana."""
        return told({"error": {"code": code, "message": message}}, status)

    def dealt(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """See S4hana."""
        return {"@odata.context": "$metadata#Product", "value": rows}

    def compare(self, value: Any, operator: str, literal: str) -> bool:
        """See S4hana."""
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", literal):
            return compared(datetime.fromisoformat(value), operator, datetime.fromisoformat(literal))
        return compared(value, operator, text(literal))

    def row(self, product: Product, expand: set[str]) -> dict[str, Any]:
        """See S4hana."""
        navigations = {"_ProductDescription": [{"Language": "PT", "ProductDescription": "Remédio"}], "_ProductBasicText": _texts(product)}
        return {
            "Product": product.code,
            "ProductStandardID": "",
            "LastChangeDateTime": product.edited.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "IsMarkedForDeletion": product.inactive,
            "YY1_Publico_PRD": product.audience,
            **{name: rows for name, rows in navigations.items() if name in expand},
        }


def _texts(product: Product) -> list[dict[str, str]]:
    """The leaflet in several rows, and another language's before it."""
    parts = [{"Product": product.code, "Language": "PT", "LongText": part} for part in product.text.split("\n\n")]
    return [{"Product": product.code, "Language": "EN", "LongText": "Not this one."}, *parts]
