"""Two ERPs of no vendor, declared as type rest: one with page numbers, and one whose pages name the next one's cursor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from indexer.sources.auth import basic
from tests.sources.standin import Reply, Request, StandIn, told
from tests.sources.vendors.vendor import Product, Vendor, by_number

_PAGE = 3
_FIELDS = 'fields = { id = "code", name = "nome", audience = "publico", updated_at = "alterado", deleted = "inativo", text = "bula" }'


class RestByPage(Vendor):
    """Page numbers, a token that expires, seconds; deletions leave no trace, so the ends of pages are looked at again."""

    kind = "rest"
    has_sessions = True

    def __init__(self) -> None:
        super().__init__()
        self._tokens = 1
        self._client = ""

    def address(self, stand_in: StandIn) -> str:
        """See Vendor."""
        self._client = f'type = "oauth2_client_credentials", token_url = "{stand_in.url}/token", client_id = "sac"'
        return super().address(stand_in)

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'path = "bulas"\nrecords = "items"\nchanged_since = { parameter = "desde" }\n'
            'paging = { by = "page", size_parameter = "tamanho", size = 3, more = "hasNext", recheck = "code" }\n'
            f"{_FIELDS}\n"
            f'auth = {{ {self._client}, client_secret = {{ env = "SECRET" }} }}'
        )

    def expire(self) -> None:
        """See Vendor."""
        self._tokens += 1

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        if request.path == "/token":
            known = request.headers.get("Authorization") == basic("sac", self.secrets["SECRET"])
            right = known and b"grant_type=client_credentials" in request.body
            return told({"access_token": f"token-{self._tokens}"}) if right else told({"error": "invalid_client"}, 401)
        if request.headers.get("Authorization") != f"Bearer token-{self._tokens}":
            return told({"message": "expired"}, 401)
        if request.path != "/bulas":
            return told({"message": "not found"}, 404)
        return self.page(request)

    def page(self, request: Request) -> Reply:
        """One page, by its number."""
        held = self.held(request)
        size = min(int(request.query["tamanho"]), _PAGE)
        start = (int(request.query["page"]) - 1) * size
        return told({"items": held[start : start + size], "hasNext": start + size < len(held)})

    def held(self, request: Request) -> list[dict[str, Any]]:
        """What was edited since the request says."""
        since = datetime.fromisoformat(request.query.get("desde", "1970-01-01T00:00:00Z"))
        return [_row(product) for product in by_number(self.products) if product.edited >= since]

    def limited(self) -> Reply:
        """See Vendor."""
        return Reply(b'{"message":"slow down"}', 429, {"Retry-After": "0"})


class RestByCursor(RestByPage):
    """A cursor of its own, microseconds; withdrawn products are marked."""

    tick = timedelta(microseconds=1)

    @property
    def table(self) -> str:
        """See Vendor."""
        declared = 'paging = { by = "cursor", parameter = "after", cursor = "next" }'
        return "\n".join(declared if line.startswith("paging") else line for line in super().table.splitlines())

    def page(self, request: Request) -> Reply:
        """One page, after a product."""
        rows = [row for row in self.held(request) if row["number"] > int(request.query.get("after", 0))]
        return told({"items": rows[:_PAGE], "next": rows[_PAGE - 1]["number"] if len(rows) > _PAGE else None})


def _row(product: Product) -> dict[str, Any]:
    return {
        "number": product.number,
        "code": product.code,
        "nome": f"Remédio {product.code}",
        "alterado": product.edited.astimezone(UTC).isoformat(),
        "publico": product.audience,
        "inativo": product.inactive,
        "bula": product.text,
    }
