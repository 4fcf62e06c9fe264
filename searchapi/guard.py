"""Whether it may start: nobody else's search is open unless an operator said so in words."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from pathlib import Path

from searchapi.keys import Role, keys
from searchapi.settings import TO_ANYONE, Settings


class NotGuarded(Exception):
    """Whoever reaches the address could search, and nobody said that they may; nothing was started. The text says what to set."""


def require_guard(settings: Settings) -> None:
    """Raises NotGuarded where others could reach a search that nobody opened in words; KeysRejected where the file of keys is faulty."""
    guarded = searchers(settings.api_keys_file)
    if guarded or settings.searchapi_open or not (settings.trusted_proxies or not _is_here(settings.searchapi_host)):
        return
    where = f"SEARCHAPI_HOST={settings.searchapi_host}"
    reached = f"TRUSTED_PROXIES={settings.trusted_proxies}" if settings.trusted_proxies else where
    lacks = f"no key in {settings.api_keys_file} has the role search" if settings.api_keys_file else "nothing says who may"
    message = (
        f"others could search here ({reached}), and {lacks}. Set API_KEYS_FILE to a file of keys (`searchapi keys new "
        f"NAME --role search` makes one), or SEARCHAPI_HOST=127.0.0.1 without TRUSTED_PROXIES, or in words SEARCHAPI_OPEN='{TO_ANYONE}'"
    )
    raise NotGuarded(message)


def searchers(path: Path | None) -> bool:
    """Whether the search is for holders of keys: some key has the role for it. A file of keys for the rest closes nothing."""
    return path is not None and any(Role.SEARCH in key.roles for key in keys(path).values())


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
