"""Small documents that one process at a time may move: read with a token, stored only where the token is still the newest.

The token is the document's `_seq_no` and `_primary_term`: who read it before somebody else moved it cannot move it, whatever clocks say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError


class Moved(Exception):
    """Somebody else moved the document since it was read; nothing was stored. Read it again and decide anew."""


@dataclass(frozen=True, slots=True)
class Token:
    """The state of a document that a move must find unchanged."""

    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class Held:
    """A document as it was read; without a token it is not there yet."""

    body: Mapping[str, object]
    token: Token | None = None


def read(client: OpenSearch, index: str, doc_id: str) -> Held:
    """The document, as of its last move by whomever (not of the last refresh); an empty one where there is none."""
    try:
        found = client.get(index=index, id=doc_id)
    except NotFoundError:
        return Held({})
    return Held(found["_source"], Token(found["_seq_no"], found["_primary_term"]))


def move(client: OpenSearch, index: str, doc_id: str, body: Mapping[str, object], token: Token | None) -> Token:
    """Stores the document where its token was read and gives the new one; raises Moved where it changed since."""
    held = {"if_seq_no": token.seq_no, "if_primary_term": token.primary_term} if token else {"op_type": "create"}
    try:
        done = client.index(index=index, id=doc_id, body=dict(body), params=held)
    except ConflictError as error:
        raise Moved(doc_id) from error
    return Token(done["_seq_no"], done["_primary_term"])


def drop(client: OpenSearch, index: str, doc_id: str, token: Token) -> None:
    """Deletes the document where its token was read; raises Moved where it changed since or is gone."""
    try:
        client.delete(index=index, id=doc_id, params={"if_seq_no": token.seq_no, "if_primary_term": token.primary_term})
    except (ConflictError, NotFoundError) as error:
        raise Moved(doc_id) from error
