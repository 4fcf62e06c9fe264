"""One line an event, for people or for machines. Never a leaflet's text, a question or a secret.

Exceptions are told by what is safe of them: the texts of our own, which are written for it, and of others the type and the status alone;
those of opensearch-py quote the document that was refused, Python's own quote whatever value they met.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Literal

import structlog

log = logging.getLogger(__name__)

OURS = {"leaflets", "opensearch", "indexer", "searchapi"}
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(log_format: Literal["console", "json"], level: str) -> None:
    """Sends every log line of this process, libraries', warnings and uncaught exceptions included, to standard error in one format."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _shortened,
                structlog.processors.ExceptionRenderer(_traced),
                renderer,
            ],
        )
    )
    handler.set_name(log_format)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    # These log each request's address and body, in which questions stand, and Slack's webhook, which is a secret.
    for chatty in ("opensearch", "urllib3", "werkzeug", "slack_sdk"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def complain(program: str, message: str) -> None:
    """Says on standard error, in the format that was configured, what a person must mend. The message is a sentence of ours."""
    if any(handler.get_name() == "json" for handler in logging.getLogger().handlers):
        log.error(message)
        return
    sys.stderr.write(f"{program}: {message}\n")


def safe(error: BaseException) -> str:
    """What may be told of an exception: its text where it is ours, else its type and its status."""
    kind = type(error)
    if kind.__module__.split(".")[0] in OURS:
        return f"{kind.__qualname__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind.__qualname__}: {error.strerror}"
    status = getattr(error, "status_code", None)
    return f"{kind.__qualname__} (status {status})" if isinstance(status, int) else kind.__qualname__


def _shortened(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Exceptions that stand in fields; that of the line itself is traced."""
    for name, value in event.items():
        if isinstance(value, BaseException) and name != "exc_info":
            event[name] = safe(value)
    return event


def _traced(exc_info: ExcInfo) -> str:
    """Where an exception and its causes were raised, without the values that were there."""
    parts = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        parts.append("".join(traceback.format_tb(error.__traceback__)) + safe(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nbecause of\n".join(parts)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught exception", exc_info=(kind, error, trace))
