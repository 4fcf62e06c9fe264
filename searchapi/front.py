"""Serves kept answers before Flask is asked, which takes longer than finding one: the same bytes and headers as through it.

Only what a kept answer answers is served here; everything else, each failure and refusal too, is Flask's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opensearchpy.exceptions import OpenSearchException
from werkzeug.wrappers import Request, Response

from searchapi import params
from searchapi.deadline import Deadline, TooLate
from searchapi.edge import Edge
from searchapi.params import BadParameter
from searchapi.routes import answered
from searchapi.searches import Searches, Told
from searchapi.seen import NotReady

if TYPE_CHECKING:  # a module of types alone
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE, ENDPOINT = "/v1/search", "api.search"


class Front:
    """A WSGI application before another one, at the same edge; `within` seconds is answered."""

    def __init__(self, behind: WSGIApplication, searches: Searches, edge: Edge, within: float) -> None:
        self._behind = behind
        self._searches = searches
        self._edge = edge
        self._within = within

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        response = self._answered(Request(environ)) if _is_plain_search(environ) else None
        return (response or self._behind)(environ, start_response)

    def _answered(self, asked: Request) -> Response | None:
        """The kept answer's response; None where Flask is to answer, which finds the visit noted and counted."""
        visit = self._edge.arrive(asked, ENDPOINT)
        told = self._kept(asked, Deadline.within(self._within)) if self._edge.door.admits(visit.asker, ENDPOINT) else None
        if told is None:
            return None
        try:
            return self._edge.finished(answered(told), asked, ROUTE, ENDPOINT)
        finally:
            self._edge.left(asked)

    def _kept(self, asked: Request, deadline: Deadline) -> Told | None:
        """The kept answer; None where there is none, or where Flask has to say why there is none."""
        try:
            question = params.search(params.known(asked.args, params.SEARCH))
            return None if question.explain else self._searches.kept(question, deadline)
        except (BadParameter, NotReady, TooLate, OpenSearchException):
            return None


def _is_plain_search(environ: WSGIEnvironment) -> bool:
    """Whether a kept answer may answer it. What has a body is looked at elsewhere (searchapi/edge.py)."""
    return (
        environ["PATH_INFO"] == ROUTE
        and environ["REQUEST_METHOD"] == "GET"
        and not environ.get("CONTENT_LENGTH")
        and "HTTP_TRANSFER_ENCODING" not in environ
    )
