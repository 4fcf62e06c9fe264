"""Serves kept answers before Flask is asked, which takes longer than finding one: the same bytes and headers as through it.

Only what a kept answer answers is served here; everything else, each failure too, is Flask's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opensearchpy.exceptions import OpenSearchException
from werkzeug.wrappers import Request, Response

from searchapi import params
from searchapi.deadline import Deadline, TooLate
from searchapi.params import BadParameter
from searchapi.searches import Searches, Told
from searchapi.seen import NotReady

if TYPE_CHECKING:  # a module of types alone
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTE = "/v1/search"


class Front:
    """A WSGI application before another one.

    `told` makes the response of an answer, `finished` ends each response, as they do for those of Flask. `within` seconds is answered.
    """

    def __init__(
        self,
        behind: WSGIApplication,
        searches: Searches,
        *,
        told: Callable[[Told, Request], Response],
        finished: Callable[[Response, Request, str, float], Response],
        within: float,
    ) -> None:
        self._behind = behind
        self._searches = searches
        self._told = told
        self._finished = finished
        self._within = within

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        if environ["PATH_INFO"] == ROUTE and environ["REQUEST_METHOD"] == "GET":
            began, asked = time.perf_counter(), Request(environ)
            told = self._kept(asked)
            if told:
                return self._finished(self._told(told, asked), asked, ROUTE, began)(environ, start_response)
        return self._behind(environ, start_response)

    def _kept(self, asked: Request) -> Told | None:
        """The kept answer; None where there is none, or where Flask has to say why there is none."""
        try:
            # A plain dict, as the request's own raises and catches an error inside for each parameter that is not given.
            question = params.search(asked.args.to_dict())
            return None if question.explain else self._searches.kept(question, Deadline.within(self._within))
        except (BadParameter, NotReady, TooLate, OpenSearchException):
            return None
