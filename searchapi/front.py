"""Answers searches before Flask is asked, which takes longer than finding a kept answer: the same bytes and headers as through it.

Only answers are given here. Who is not let in, and what fails, is Flask's to tell: a failure is raised again there, and nothing made twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from opensearchpy.exceptions import OpenSearchException
from werkzeug.wrappers import Request

from searchapi import params, wire
from searchapi.capacity import Busy
from searchapi.deadline import Deadline, TooLate
from searchapi.edge import Edge, Visit
from searchapi.params import BadParameter
from searchapi.routes import FAILED, Desk, answer_of, headers_of
from searchapi.searches import Told
from searchapi.seen import NotReady

if TYPE_CHECKING:  # a module of types alone
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE, ENDPOINT = "/v1/search", "api.search"
# What Flask has an answer for (searchapi/errors.py).
_FORESEEN = (BadParameter, Busy, NotReady, TooLate, OpenSearchException)


class Front:
    """A WSGI application before another one, at the same edge; `within` seconds is answered."""

    def __init__(self, behind: WSGIApplication, desk: Desk, edge: Edge, within: float) -> None:
        self._behind = behind
        self._desk = desk
        self._edge = edge
        self._within = within

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        answer = self._answered(Request(environ)) if _is_plain_search(environ) else None
        if answer is None:
            return self._behind(environ, start_response)
        start_response(answer.status, answer.headers)
        return (answer.body,)

    def _answered(self, asked: Request) -> wire.Answer | None:
        """The answer; None where Flask is to answer, which finds the visit noted and counted."""
        visit = self._edge.arrive(asked, ENDPOINT)
        if not self._edge.door.admits(visit.asker, ENDPOINT):
            return None
        found = self._told(asked, visit)
        if found is None:
            return None
        try:
            return self._edge.sent(wire.pressed(found.body, headers_of(found), asked.environ), asked, ROUTE, found.cache_status)
        finally:
            self._edge.left(asked)

    def _told(self, asked: Request, visit: Visit) -> Told | None:
        """What is to be told; None where it is Flask's to say."""
        try:
            question = params.search(params.known(asked.args, params.SEARCH))
            if question.explain:
                return None
            return answer_of(self._desk, question, visit.asker, Deadline.within(self._within - visit.seconds))
        except _FORESEEN as error:
            asked.environ[FAILED] = error
            return None
        except BaseException:
            # The server answers it and logs it (searchapi/worker.py): Flask would only come to it once more.
            self._edge.failed(asked, ROUTE, HTTPStatus.INTERNAL_SERVER_ERROR)
            raise


def _is_plain_search(environ: WSGIEnvironment) -> bool:
    """Whether it asks for a whole answer. What has a body is looked at elsewhere (searchapi/edge.py), and so is whether it changed."""
    return (
        environ["PATH_INFO"] == ROUTE
        and environ["REQUEST_METHOD"] == "GET"
        and not environ.get("CONTENT_LENGTH")
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_IF_NONE_MATCH" not in environ
    )
