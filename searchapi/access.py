"""Who may ask: the key that came with a request, what it opens, and whether it asked too often.

    request -> who (a key's holder, else an address) -> counted: 429 beyond its limit -> role of what is asked for: 401, 403

docs/adr/0012-access-and-observability.md has the table and its reasons.
"""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from flask import abort
from werkzeug.wrappers import Request

from searchapi.guard import loopback, searchers
from searchapi.keys import Holder, Keyring, Role
from searchapi.limits import Allowance, Meter, Scope
from searchapi.metrics import Metrics
from searchapi.settings import Settings

log = logging.getLogger(__name__)

# These tell nothing of a question, and probes and browsers ask for them without a key.
_FREE = frozenset({"api.livez", "api.readyz", "api.openapi", "page.static"})
# A metrics server asks at its own pace.
_UNCOUNTED = _FREE | {"api.metrics"}
_ROLES = {"api.metrics": Role.METRICS}
_SCOPES = {"api.suggest": Scope.TYPING}

# How a key is sent. In ASCII: browsers differ in how they read a realm that is not.
BASIC = 'Basic realm="Bulas", charset="UTF-8"'
BEARER = 'Bearer realm="Bulas"'


class TooOften(Exception):
    """Its asker is over the limit; ask again when `allowance` resets."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(f"asked more than {allowance.limit.amount} times in {allowance.limit.get_expiry()} s")
        self.allowance = allowance


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the holder of a good key, and from which address. `allowance` is what it may still ask; None where it is not counted."""

    holder: Holder | None
    address: str
    allowance: Allowance | None

    @property
    def key(self) -> str:
        """The name of its key; empty without one."""
        return self.holder.name if self.holder else ""


class Door:
    """Lets each request in, or says why not."""

    def __init__(self, settings: Settings, keyring: Keyring, meter: Meter, metrics: Metrics) -> None:
        self._keyring = keyring
        self._meter = meter
        self._metrics = metrics
        self._key_limit, self._address_limit = settings.key_limit, settings.address_limit
        # As the file was at the start: a search that was for holders of keys stays so when the last of them is revoked.
        keyed = searchers(settings.api_keys_file) or (settings.api_keys_file and settings.searchapi_open)
        self._guarded = frozenset(Role) if keyed else frozenset({Role.EXPLAIN})
        if settings.searchapi_open:
            self._guarded -= {Role.SEARCH}
        self._warned = False

    def asker(self, asked: Request, endpoint: str) -> Asker:
        """Who asks, counted where such requests are."""
        holder, address = self._keyring.holder(_secret(asked)), asked.remote_addr or ""
        if endpoint in _UNCOUNTED or (holder is None and self._is_local(asked, address)):
            return Asker(holder, address, None)
        scope = _SCOPES.get(endpoint, Scope.SEARCH)
        if holder:
            allowance = self._meter.take(f"key {holder.name}", scope, holder.limit or self._key_limit)
        else:
            allowance = self._meter.take(f"address {_counted_as(address)}", scope, self._address_limit)
        if allowance.spent:
            self._metrics.limited.labels(scope, "key" if holder else "address").inc()
        return Asker(holder, address, allowance)

    def admits(self, asker: Asker, endpoint: str) -> bool:
        """Whether this asker is let in."""
        role = _ROLES.get(endpoint, Role.SEARCH)
        opened = endpoint in _FREE or role not in self._guarded or bool(asker.holder and role in asker.holder.roles)
        return opened and not (asker.allowance and asker.allowance.spent)

    def admit(self, asker: Asker, endpoint: str) -> None:
        """Raises TooOften, or aborts with 401 or 403, for one that is not."""
        if asker.allowance and asker.allowance.spent:
            raise TooOften(asker.allowance)
        if endpoint not in _FREE:
            self.require(asker, _ROLES.get(endpoint, Role.SEARCH))

    def require(self, asker: Asker, role: Role) -> None:
        """Aborts with 401 or 403 where the asker's key does not open what is asked for."""
        if role not in self._guarded:
            return
        if asker.holder is None:
            abort(
                HTTPStatus.UNAUTHORIZED,
                description=f"this needs a key with the role {role}: send `Authorization: Bearer KEY`. An operator makes one with "
                f"`searchapi keys new NAME --role {role}` and puts its line into the file that API_KEYS_FILE names",
            )
        if role not in asker.holder.roles:
            abort(
                HTTPStatus.FORBIDDEN, description=f"this key lacks the role {role}: an operator adds it to the key's line in API_KEYS_FILE"
            )

    def _is_local(self, asked: Request, address: str) -> bool:
        """Whether a program on this machine asks, which could ask OpenSearch as well; not where a proxy asks for somebody else."""
        if not loopback(address):
            return False
        if "HTTP_X_FORWARDED_FOR" not in asked.environ:
            return True
        if not self._warned:
            self._warned = True
            log.warning("a proxy asks for others, who are counted as one: set TRUSTED_PROXIES to the number of proxies before searchapi")
        return False


def _secret(asked: Request) -> str:
    """The key that came with the request; empty where none did."""
    sent = asked.authorization if "HTTP_AUTHORIZATION" in asked.environ else None
    if sent is None:
        return ""
    return (sent.password if sent.type == "basic" else sent.token if sent.type == "bearer" else "") or ""


@lru_cache(maxsize=4096)
def _counted_as(address: str) -> str:
    """An address as one asker: of IPv6 its network, as whoever has one address there has all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped:
        return str(getattr(found, "ipv4_mapped", None) or found)
    return str(ipaddress.ip_network(f"{found}/64", strict=False))
