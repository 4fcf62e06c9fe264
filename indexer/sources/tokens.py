"""OAuth 2 refresh tokens that work once: each renewal gives the next one, which is kept in a file before anything is asked with it.

    401  ->  lock  ->  the file has another access token?  ->  it is used: another process was first
                       else refresh  ->  written beside, flushed to the disk, put in the file's place  ->  used

A token that was spent and not kept would lock us out until a person authorises the application again, so the file's place is prepared
before the ERP is asked. What cannot be helped: an answer that is lost on its way takes the token in it along.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from indexer.sources.base import Busy, SourceChanged, SourceRefused
from indexer.sources.http import Answer, Line, Question

# More than any pair of tokens has; so much is set aside before the old one is spent.
_ROOM = 16_384


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the file holds: the token for the next renewal, and the one for requests, if it was used before."""

    refresh: str = field(repr=False)
    access: str = field(default="", repr=False)


class Rotating:
    """Credentials of an access token that is renewed by tokens which work once; see Credentials.

    `line` shows the client's id and secret to `url`, where tokens are had. `blocked` is how long to leave it alone after a 429 that does
    not say. The file may first hold nothing but a refresh token, as a person put it there, or the JSON in which it came.
    """

    def __init__(self, line: Line, url: str, file: Path, blocked: float) -> None:
        self._line = line
        self._url = url
        self._file = file.resolve()
        self._beside = self._file.with_name(f"{self._file.name}.new")
        self._blocked = blocked
        self._lock = Lock()
        self._access = ""
        self._refused = ""

    def headers(self) -> Mapping[str, str]:
        """See Credentials."""
        with self._lock:
            self._access = self._access or self._had()
            return {"Authorization": f"Bearer {self._access}"}

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """See Credentials. Of the threads that one expired token refuses at once, the first renews it for all."""
        with self._lock:
            if refused.get("Authorization") == f"Bearer {self._access}":
                self._access, self._refused = "", self._access
        return True

    def _had(self) -> str:
        with self._alone():
            kept = self._kept()
            if kept.access and kept.access != self._refused:
                return kept.access
            return self._refreshed(kept).access

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process renews meanwhile. The lock is a file beside, because the file itself is replaced."""
        try:
            with self._file.with_name(f"{self._file.name}.lock").open("a") as beside:
                fcntl.flock(beside, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise SourceRefused(self._unwritable(error)) from None

    def _kept(self) -> Tokens:
        with suppress(OSError, ValueError):
            # Of a process that ended before it could put it in the file's place; without it the file's own is spent.
            if _tokens(json.loads(self._beside.read_text("utf-8"))):
                self._beside.replace(self._file)
        try:
            told = self._file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the token file {self._file} cannot be read ({type(error).__name__}): put a refresh token there"
            raise SourceRefused(msg) from None
        tokens = None
        if told.startswith("{"):
            with suppress(ValueError):
                tokens = _tokens(json.loads(told))
        elif told and len(told.split()) == 1:
            tokens = Tokens(told)
        if tokens is None:
            msg = f"the token file {self._file} holds no refresh token: put one there, alone or in the JSON in which it came"
            raise SourceRefused(msg)
        return tokens

    def _refreshed(self, spent: Tokens) -> Tokens:
        self._beside.unlink(missing_ok=True)
        with open(os.open(self._beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 only os.open sets the mode
            os.posix_fallocate(file.fileno(), 0, _ROOM)
            form = {"grant_type": "refresh_token", "refresh_token": spent.refresh}
            question = Question(self._url, method="POST", form=form, accepted=frozenset({400, 401, 403, 429}))
            fresh = self._line.ask(question, lambda answer: self._told(answer, spent))
            file.write(json.dumps({"refresh_token": fresh.refresh, "access_token": fresh.access}).encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._beside.replace(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return fresh

    def _told(self, answer: Answer, spent: Tokens) -> Tokens:
        if answer.status == 429:
            msg = f"{answer.bare} answered 429: too many tokens were asked for"
            raise Busy(msg, self._blocked if answer.wait is None else answer.wait)
        told = answer.json()
        if answer.status >= 400:
            kind = _kind(told)
            if kind == "invalid_grant":
                msg = (
                    f"does not accept the refresh token in {self._file} (any more): authorise the application anew, and put its token there"
                )
            else:
                msg = f"answered {answer.status} {kind}: no token; check `client_id` and `client_secret`"
            told_whole = f"{answer.bare} {msg}"
            raise SourceRefused(told_whole)
        fresh = _tokens(told if isinstance(told, dict) and told.get("refresh_token") else {**told, "refresh_token": spent.refresh})
        if fresh is None or not fresh.access:
            msg = f"{answer.bare} answered without an access_token"
            raise SourceChanged(msg)
        return fresh

    def _unwritable(self, error: OSError) -> str:
        return (
            f"the token file {self._file} cannot be replaced ({type(error).__name__}): "
            "each renewal gives a new token, so the indexer must be allowed to write in its folder"
        )


def _tokens(told: object) -> Tokens | None:
    match told:
        case {"refresh_token": str(refresh), **rest} if refresh.strip():
            access = rest.get("access_token")
            return Tokens(refresh.strip(), access if isinstance(access, str) else "")
    return None


def _kind(told: object) -> str:
    """The type of an error, as RFC 6749 or as Bling writes it; never its description, which may repeat a token."""
    error = told.get("error") if isinstance(told, dict) else None
    kind = error.get("type") if isinstance(error, dict) else error
    return str(kind)[:40] if isinstance(kind, str) else ""
