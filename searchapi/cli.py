"""`searchapi`: serves the page and the API."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from gunicorn.app.base import BaseApplication

from opensearch import logs
from opensearch.settings import WrongSettings, read
from opensearch.synonyms import SynonymsRejected, synonyms
from searchapi import workers
from searchapi.access_log import AccessLogRejected, access_log
from searchapi.guard import NotGuarded, require_guard
from searchapi.keys import KeysRejected, Role, keys, new
from searchapi.lookalikes import LookalikesRejected, listed
from searchapi.params import LONGEST_ADDRESS
from searchapi.settings import Settings
from searchapi.sizes import sizes

MISCONFIGURED = 2


class Server(BaseApplication):
    """gunicorn with our settings. Each worker builds its own app, so that no connection is shared over a fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's own settings. Its access log stays off: addresses carry questions."""
        size = sizes(self.settings.workers, self.settings.answer_within.total_seconds())
        options: dict[str, Any] = {  # gunicorn takes values of any type
            "bind": f"[{host}]:{self.settings.port}" if ":" in (host := self.settings.searchapi_host) else f"{host}:{self.settings.port}",
            "workers": size.workers,
            "threads": size.threads,
            "worker_class": "searchapi.worker.Worker",
            "limit_request_line": LONGEST_ADDRESS,
            "graceful_timeout": size.graceful_timeout,
            "control_socket_disable": True,
            "errorlog": "-",
            "loglevel": "warning",
            "child_exit": _child_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # gunicorn's own type does not know that a Flask is a WSGI application
        """The application of one worker."""
        # Here and not above: prometheus_client decides on its import whether values are one process's or several workers'.
        from searchapi.app import create_app  # noqa: PLC0415

        return create_app(self.settings)


def _child_exit(parent: Any, _: Any) -> None:  # gunicorn's own, which are untyped
    workers.bury(parent.WORKERS)


_HELP = "Serves the SAC page and the search API on PORT until it is told to stop. It reads from the environment:\n\n\b\n" + "\n".join(
    f"{name.upper():<22} {field.description}{'' if field.default is None else f' (default {field.default})'}"
    for name, field in Settings.model_fields.items()
)
app = typer.Typer(help=_HELP, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
keys_app = typer.Typer(help="Keys of those who may search, see metrics, ask why.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")


@app.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Serves until it is told to stop; exits 2 where the environment is wrong."""
    if context.invoked_subcommand:
        return
    try:
        settings = read(Settings, os.environ)
        logs.configure(settings.log_format, settings.log_level)
        # Read here too: a fault in a file must end the start with its name, not a worker of gunicorn's.
        synonyms()
        listed(settings.lookalikes_file)
        require_guard(settings)
        access_log(settings.access_log)
        with workers.directory():
            Server(settings).run()
    except (WrongSettings, SynonymsRejected, LookalikesRejected, KeysRejected, NotGuarded, AccessLogRejected) as error:
        _misconfigured(str(error))


@keys_app.command("new")
def new_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is: a person or a program.")],
    role: Annotated[list[Role], typer.Option(help="What it opens; may be given several times.")],
    limit: Annotated[str, typer.Option(help='How often it may ask, such as "60/minute"; KEY_LIMIT unless given.')] = "",
) -> None:
    """Make a key: it is shown this once, with the line to add to the file that API_KEYS_FILE names."""
    try:
        made = new(name, frozenset(role), limit)
    except KeysRejected as error:
        _misconfigured(str(error))
    sys.stderr.write("The key, shown this once. Programs send it as `Authorization: Bearer KEY`, browsers ask for it as a password:\n")
    sys.stdout.write(f"{made.secret}\n")
    sys.stderr.write("The line to add to the file that API_KEYS_FILE names (taken out, the key is revoked):\n")
    sys.stdout.write(f"{made.line}\n")


@keys_app.command("list")
def list_keys() -> None:
    """List the keys of the file that API_KEYS_FILE names: each one's name, roles and limit."""
    try:
        settings = read(Settings, os.environ)
        if settings.api_keys_file is None:
            _misconfigured("set API_KEYS_FILE to the file of keys; `searchapi keys new NAME --role search` prints a first line for it")
        for name, key in keys(settings.api_keys_file).items():
            typer.echo(f"{name:<40} {' '.join(sorted(key.roles)):<26} {key.limit or settings.key_limit}")
    except (WrongSettings, KeysRejected) as error:
        _misconfigured(str(error))


def _misconfigured(message: str) -> NoReturn:
    sys.stderr.write(f"searchapi: {message}\n")
    sys.exit(MISCONFIGURED)


def main() -> None:
    """The console script."""
    app()
