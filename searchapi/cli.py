"""`searchapi`: serves the page and the API."""

from __future__ import annotations

import os
import sys
from typing import Any

from gunicorn.app.base import BaseApplication

from opensearch import logs
from opensearch.settings import WrongSettings, read
from opensearch.synonyms import SynonymsRejected
from searchapi.app import create_app
from searchapi.settings import Settings

MISCONFIGURED = 2
# One process, so that /metrics tells the whole; 16 answers may wait for OpenSearch at once.
WORKERS, THREADS = 1, 16


class Server(BaseApplication):
    """gunicorn with our settings. Each worker builds its own app, so that no connection is shared over a fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's own settings. Its access log stays off: addresses carry questions."""
        options: dict[str, Any] = {  # gunicorn takes values of any type
            "bind": f"{self.settings.searchapi_host}:{self.settings.port}",
            "workers": WORKERS,
            "threads": THREADS,
            "worker_class": "gthread",
            "graceful_timeout": 10,
            "control_socket_disable": True,
            "errorlog": "-",
            "loglevel": "warning",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # gunicorn's own type does not know that a Flask is a WSGI application
        """The application of one worker."""
        return create_app(self.settings)


def main() -> None:
    """Serves until it is told to stop; exits 2 where the environment is wrong."""
    if sys.argv[1:]:
        sys.stdout.write(HELP)
        sys.exit(0 if sys.argv[1] in {"-h", "--help"} else MISCONFIGURED)
    try:
        settings = read(Settings, os.environ)
        logs.configure(settings.log_format, settings.log_level)
        Server(settings).run()
    except (WrongSettings, SynonymsRejected) as error:
        sys.stderr.write(f"searchapi: {error}\n")
        sys.exit(MISCONFIGURED)


HELP = """Usage: searchapi

Serves the SAC page and the search API on PORT until it is told to stop. It takes no arguments; it reads from the environment:

""" + "".join(f"  {name.upper():<22} {field.description} (default {field.default})\n" for name, field in Settings.model_fields.items())
