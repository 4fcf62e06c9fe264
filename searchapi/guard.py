"""Whether it may start: nobody else's search is open unless an operator said so in words."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from pathlib import Path

from searchapi.keys import KeysRejected, Role, keys
from searchapi.settings import TO_ANYONE, Settings


class NotGuarded(Exception):
    """Whoever reaches the address could search, and nobody said that they may; nothing was started. The text says what to set."""


def require_guard(settings: Settings) -> None:
    """Raises NotGuarded where others could reach a search that nobody opened in words; KeysRejected where nobody at all could search."""
    where = f"SEARCHAPI_HOST={settings.searchapi_host}"
    if settings.searchapi_open:
        if settings.api_keys_file:
            keys(settings.api_keys_file)
    elif settings.api_keys_file:
        _require_searchers(settings.api_keys_file)
    elif settings.trusted_proxies or not _is_here(settings.searchapi_host):
        reached = f"TRUSTED_PROXIES={settings.trusted_proxies}" if settings.trusted_proxies else where
        message = (
            f"others could search here ({reached}), and nothing says who may. Set API_KEYS_FILE to a file of keys (`searchapi keys new "
            f"NAME --role search` makes one), or SEARCHAPI_HOST=127.0.0.1 without TRUSTED_PROXIES, or in words SEARCHAPI_OPEN='{TO_ANYONE}'"
        )
        raise NotGuarded(message)


def _require_searchers(path: Path) -> None:
    if not any(Role.SEARCH in key.roles for key in keys(path).values()):
        message = (
            f"no key in {path} has the role search, so nobody could search. Add the role to those who may (`searchapi keys new NAME --role "
            f"search` makes a key), or let everybody search and keep the keys for the rest: SEARCHAPI_OPEN='{TO_ANYONE}'"
        )
        raise KeysRejected(message)


def _is_here(host: str) -> bool:
    """Whether only this machine reaches what listens on this host."""
    try:
        return all(loopback(str(found[4][0])) for found in socket.getaddrinfo(host, None))
    except OSError:
        return False


@lru_cache(maxsize=4096)
def loopback(address: str) -> bool:
    """Whether this is an address of the machine itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
