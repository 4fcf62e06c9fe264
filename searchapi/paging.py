"""Where paging goes on: an opaque cursor of what was given, so that nothing is given twice or lost while the index changes. Pure.

    question, fingerprints of the products given -> cursor -> the first products not yet given, in their order as it is then

Why no position and no point in time: docs/adr/0011.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from leaflets.names import fold
from searchapi.query import Filters

# Results. With the longest question and all filters the address then stays below 8,190 bytes, the most that gunicorn reads.
MOST = 800
# Bytes: a hash of the question, a checksum of the whole, each fingerprint.
_QUESTION, _CHECKSUM, _FINGERPRINT = 8, 4, 4


class BadCursor(ValueError):
    """Nothing can go on from this cursor: start over without one. The text says why."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given so far of one question's answer."""

    question: bytes = field(repr=False)
    fingerprints: frozenset[int] = frozenset()

    def has(self, product: str) -> bool:
        """Whether this product was given."""
        return self._fingerprint(product) in self.fingerprints

    def and_now(self, products: Iterable[str]) -> Given:
        """The same with what is given now."""
        return Given(self.question, self.fingerprints.union(self._fingerprint(product) for product in products))

    @property
    def cursor(self) -> str:
        """As text that may stand in an address."""
        told = self.question + struct.pack(f">{len(self.fingerprints)}I", *sorted(self.fingerprints))
        return base64.urlsafe_b64encode(_checksum(told) + told).decode().rstrip("=")

    def _fingerprint(self, product: str) -> int:
        # Another one in each question, so that no two products share one for ever.
        return int.from_bytes(hashlib.blake2s(product.encode(), digest_size=_FINGERPRINT, key=self.question).digest())


def given(cursor: str, text: str, filters: Filters) -> Given:
    """What was given of this question, as its cursor says; nothing where there is no cursor. Raises BadCursor."""
    asked = json.dumps([fold(text), asdict(filters)]).encode()
    question = hashlib.blake2s(asked, digest_size=_QUESTION).digest()
    if not cursor:
        return Given(question)
    told = _decoded(cursor)
    if told[:_QUESTION] != question:
        message = "this cursor belongs to another question: send it with the same q and filters, or start over without it"
        raise BadCursor(message)
    fingerprints = told[_QUESTION:]
    return Given(question, frozenset(struct.unpack(f">{len(fingerprints) // _FINGERPRINT}I", fingerprints)))


def _decoded(cursor: str) -> bytes:
    try:
        told = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        told = b""
    checksum, rest = told[:_CHECKSUM], told[_CHECKSUM:]
    # The library reads several spellings of the same bytes; ours has one.
    as_ours = base64.b64encode(told, altchars=b"-_").decode().rstrip("=") == cursor
    if not as_ours or len(rest) < _QUESTION or (len(rest) - _QUESTION) % _FINGERPRINT or checksum != _checksum(rest):
        message = "this is no cursor: send `next` of an answer as it came, or start over without it"
        raise BadCursor(message)
    return rest


def _checksum(told: bytes) -> bytes:
    return hashlib.blake2s(told, digest_size=_CHECKSUM).digest()
