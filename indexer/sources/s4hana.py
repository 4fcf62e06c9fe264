"""SAP S/4HANA: products by OData, version 2 (API_PRODUCT_SRV) or 4 (api_product), or a service of the house.

    [sources.matriz]
    type = "s4hana"
    url = "https://s4.example"
    client = "100"
    auth = { type = "basic", username = "SAC", password = { env = "MATRIZ_PASSWORD" } }
    language = "PT"
    fields = { registration = "YY1_RegistroAnvisa_PRD" }

Products come by ascending key. The leaflet is by default the basic data text in `language`; names that begin with to_ or _ and that the
mapping reads are expanded. Those that are marked for deletion are withdrawn; archived ones leave no trace, so the whole listing tells.
Not verified on a real server: that version 4's products have _ProductBasicText (where one has not, it says so: map another field), and that
LastChangeDateTime is set before the first edit (if not, a new product comes with the next whole listing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from indexer.sources.auth import Auth
from indexer.sources.base import Ahead
from indexer.sources.erp import ErpFields, ErpTable, Row, Wire, columns, standard
from indexer.sources.http import Answer, Line, Question
from indexer.sources.odata import TOLD, Asker, address, ascending, both, page, problem, refusal
from indexer.sources.paging import Sheet
from indexer.sources.retries import Tries
from indexer.sources.tables import Expression

# The Gateway's "no service found": it comes with status 403, as if the user lacked a right.
_NO_SERVICE = "/IWFND/MED/170"
_PATHS: Mapping[str, str] = {
    "v2": "sap/opu/odata/sap/API_PRODUCT_SRV/A_Product",
    "v4": "sap/opu/odata4/sap/api_product/srvd_a2x/sap/product/0002/Product",
}
# Version 4 has other names for what is expanded.
_IN_V4 = {
    "name": "_ProductDescription[0].ProductDescription",
    "text": "join('\n', (_ProductBasicText || `[]`)[].LongText)",
}


class S4hanaFields(ErpFields):
    """Which property of a product says what. Of what is expanded, only rows in `language` are left, as a list in either version."""

    id: Expression = Field(default=standard("Product"), examples=['"Product"'])
    """The product's own, lasting id."""

    name: Expression | None = Field(
        default=standard("to_Description[0].ProductDescription"),
        examples=['"to_Description[0].ProductDescription"'],
    )
    """Its description."""

    ean: Expression | None = Field(default=standard("ProductStandardID"), examples=['"ProductStandardID"'])
    """Its GTIN."""

    updated_at: Expression | None = Field(
        default=standard("LastChangeDateTime || CreationDateTime || CreationDate"), examples=['"LastChangeDateTime"']
    )
    """When it was last edited, or made."""

    updated_at_format: str = Field(default="odata", examples=['"odata"'])
    """How that time is written; odata is both /Date(...)/ and ISO."""

    deleted: Expression | None = Field(default=standard("IsMarkedForDeletion"), examples=["\"CrossPlantStatus == '99'\""])
    """Says that it is marked for deletion."""

    text: Expression | None = Field(
        default=standard("join('\n', (to_ProductBasicText || `[]`)[].LongText)"),
        examples=["\"join('\\n', to_ProductSalesText[].LongText)\""],
    )
    """The leaflet: the basic data text, all of its rows."""


class S4hanaTable(ErpTable):
    """A source of type s4hana."""

    hangs: ClassVar[bool] = False

    type: Literal["s4hana"] = Field(examples=['"s4hana"'])
    """An S/4HANA Gateway."""

    odata: Literal["v2", "v4"] = Field(default="v2", examples=['"v4"'])
    """The version of OData that the service speaks."""

    path: str | None = Field(default=None, examples=['"sap/opu/odata/sap/ZAPI_BULAS_SRV/Bulas"'])
    """The service and its entity set, behind `url`; left out: SAP's own products of that version."""

    client: str = Field(default="", examples=['"100"'], pattern=r"^(\d{3})?$")
    """The client (sap-client) to ask; left out: the server's own."""

    auth: Auth = Field(examples=['{ type = "basic", username = "SAC", password = { env = "ERP_PASSWORD" } }'])
    """How to show the server who asks: basic, oauth2_client_credentials, or what else `rest` knows."""

    language: str = Field(default="PT", examples=['"PT"'], pattern=r"^([A-Z]{2})?$")
    """Of texts in several languages, the one to read; empty for all."""

    key: str = Field(default="Product", examples=['"Product"'], pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The property, a text, that names a product, and by which pages go on."""

    changed: str = Field(default="LastChangeDateTime", examples=['"LastChangeDateTime"'], pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    """The property, a date with time and offset, by which changes are asked for; empty where there is none: every pull reads all."""

    page_size: int = Field(default=100, ge=1, examples=["100"])
    """How many products a page is to have."""

    fields: S4hanaFields = Field(default_factory=S4hanaFields, examples=['{ registration = "YY1_RegistroAnvisa_PRD" }'])
    """Which of a product's properties says what."""

    @model_validator(mode="before")
    @classmethod
    def _has_the_names_of_its_version(cls, told: object) -> object:
        if not isinstance(told, dict) or told.get("odata") != "v4" or not isinstance(told.get("fields", {}), dict):
            return told
        return {**told, "fields": {**_IN_V4, **told.get("fields", {})}}

    @model_validator(mode="after")
    def _dates_what_it_filters(self) -> S4hanaTable:
        if self.changed and self.fields.updated_at is None:
            msg = 'changed needs fields.updated_at, the time that it asks by; or write changed = ""'
            raise ValueError(msg)
        return self

    def wire(self, tries: Tries) -> Wire:
        """See ErpTable."""
        return _S4hana(self, tries)


class _S4hana(Wire):
    def __init__(self, table: S4hanaTable, tries: Tries) -> None:
        self._table = table
        self.filtered = bool(table.changed)
        self._url = f"{table.url}/{(table.path or _PATHS[table.odata]).strip('/')}"
        self._line = Line(table, table.auth.credentials(table), tries)
        self._expand = ",".join(name for name in columns(table.fields) if name.startswith(("to_", "_")))

    def rows(self, since: datetime | None, ahead: Ahead) -> Iterator[Sequence[Row]]:
        """See Wire."""
        del ahead
        return ascending(Asker(partial(self._products, since), self._page, linked=False), self._table.key)

    def key(self, row: Row) -> str:
        """See Wire."""
        return str(row[self._table.key])

    def _products(self, since: datetime | None, after: str) -> Sheet:
        table = self._table
        options = {"$format": "json"} if table.odata == "v2" else {}
        if where := both("" if since is None else self._changed(since), after):
            options["$filter"] = where
        options |= {"$orderby": table.key, "$top": str(table.page_size)}
        if self._expand:
            options["$expand"] = self._expand
        if table.client:
            options["sap-client"] = table.client
        return self._page(address(self._url, options))

    def _page(self, url: str) -> Sheet:
        # Without it version 2 answers with Atom, and as $format is not heeded everywhere, that alone is not enough.
        question = Question(url, accepted=TOLD, headers={"Accept": "application/json"})
        return self._line.ask(question, self._read)

    def _changed(self, since: datetime) -> str:
        """Whole seconds, rounded down, because either version may keep no smaller."""
        at = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"{self._table.changed} ge datetimeoffset'{at}'" if self._table.odata == "v2" else f"{self._table.changed} ge {at}"

    def _read(self, answer: Answer) -> Sheet:
        if answer.status in TOLD:
            error = problem(answer)
            advice = "check `url`, `path`, `odata`, `key`, `changed` and the names in `fields`"
            if error is not None and error.code == _NO_SERVICE:
                advice = "the service is not there: have it activated (/IWFND/MAINT_SERVICE), or check `path` and `odata`"
            raise refusal(answer, error, advice)
        sheet = page(answer)
        return replace(sheet, records=tuple(self._spoken(row) for row in sheet.records if isinstance(row, dict)))

    def _spoken(self, row: Row) -> Row:
        """A product of which what was expanded is a list in its language."""
        return {name: self._listed(value) for name, value in row.items()}

    def _listed(self, value: Any) -> Any:  # any JSON
        match value:
            case {"results": list() as found}:
                return self._listed(found)
            case {"__deferred": _}:
                return []
            case [{"Language": _}, *_]:
                return [one for one in value if self._table.language in ("", one.get("Language"))]
        return value
