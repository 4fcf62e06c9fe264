"""The floor of a cached answer: a Flask that knows one answer by heart, under the same gunicorn with the same settings.

python -m bench.hello BYTES     (PORT and the other settings from the environment, as searchapi reads them)
"""

from __future__ import annotations

import os
import sys
from typing import Any

from flask import Flask, Response

from opensearch.settings import read
from searchapi import workers
from searchapi.cli import Server
from searchapi.settings import Settings


class Hello(Server):
    """searchapi's server around another application."""

    def load(self) -> Any:  # as Server.load
        """The application that says the same to everyone."""
        app, body = Flask("hello", static_folder=None), b"x" * int(sys.argv[1])

        @app.get("/v1/search")
        def hello() -> Response:
            return Response(body, mimetype="application/json")

        return app


if __name__ == "__main__":
    with workers.directory():
        Hello(read(Settings, os.environ)).run()
