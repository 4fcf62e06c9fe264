"""One ERP's HTTP: bounded in bytes and time, retried a little, and never with another host.

    Line.ask(Question, read)  ->  what `read` makes of the Answer, or SourceDown | SourceRefused | SourceChanged

Nothing here knows what an answer means; that is the source's own.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from pydantic import Field, field_validator
from requests.exceptions import ConnectTimeout, ContentDecodingError, InvalidURL, RequestException, SSLError
from urllib3.exceptions import NameResolutionError

from indexer.sources.base import Busy, SourceChanged, SourceDown, SourceRefused
from indexer.sources.deadline import Deadline, DeadlineAdapter
from indexer.sources.pace import Pace, Places
from indexer.sources.retries import Garbled, Tries
from indexer.sources.tables import FilePath, Limits, Parameter, Patterns, SourceTable, Surroundings, WebAddress, plain

T = TypeVar("T")

# Statuses that pass by themselves; any 5xx does too. 425 is Omie's "blocked for a while".
_PASSING = frozenset({408, 425, 429})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})
_MOST_REDIRECTS = 5
_CHUNK = 64 * 1024
_LATIN = frozenset({"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"})
# As much of an error as is searched for what makes it permanent: its own words come first, the stack behind them may be of any length.
_ERROR_BYTES = 16 * 1024


class HttpTable(SourceTable):
    """The keys of every source that is asked by HTTP. Proxies and certificates are read from here alone, never from the environment."""

    url: WebAddress = Field(examples=['"https://erp.example/rest"'])
    """Where the ERP's API starts. No request and no secret goes to another host, whatever its answers say."""

    headers: dict[str, Parameter] = Field(default_factory=dict, examples=['{ TenantId = "01,02" }'])
    """Headers to send with every request."""

    ca_cert: FilePath | None = Field(default=None, examples=['"/etc/ssl/erp.pem"'])
    """The certificate of the authority that signed the ERP's own, where that is not a public one."""

    proxy: WebAddress | None = Field(default=None, examples=['"http://proxy.example:3128"'])
    """The proxy to go through, if any."""

    max_bytes: int = Field(default=50_000_000, gt=0, examples=["50_000_000"])
    """The most bytes that one answer may have once unpacked; a longer one is not read to its end."""

    permanent_errors: Patterns = Field(default=(), examples=["[\"Unknown column '[^']+'\"]"])
    """Regular expressions, upper and lower case alike, for errors that do not pass though their status (429, 503 or another 5xx) says so:
    an answer whose first 16 kB match one is not asked for again, and a person is told."""

    rates: Limits = Field(default=(), examples=['["3/second", "120000/day"]'])
    """How often the ERP may be asked at most, for all processes and sources that ask with the same account."""

    @property
    def account(self) -> str:
        """What the ERP counts by, where it limits: sources with the same share `rates`."""
        return self.url

    def pace(self, where: Surroundings) -> Pace:
        """How fast this ERP may be asked."""
        return Pace(Places(self.max_in_flight), where.rates, f"{self.type} {self.account}", self.rates)

    @field_validator("ca_cert")
    @classmethod
    def _is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            msg = f"names the file {path}, which does not exist"
            raise ValueError(msg)
        return path


class Credentials(Protocol):
    """What shows the ERP who asks."""

    def headers(self) -> Mapping[str, str]:
        """The headers to send; raises a SourceError where they cannot be had."""

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """Whether there are, or now are, others than these, which the ERP has refused."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Credentials that stay as they are: none at all, Basic, a bearer token or a key in a header."""

    lines: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self) -> Mapping[str, str]:
        """See Credentials."""
        return self.lines

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """See Credentials."""
        del refused
        return False


class Expired(SourceRefused):
    """The ERP does not know our session, token or key (any more): logged in again, the same question may be answered."""


class Unreached(SourceDown):
    """SourceDown where nothing of the question left for the ERP: asked again at once, it is not asked twice."""


class Session:
    """Credentials that a login gives: kept for all threads until the ERP no longer takes them, then had anew by one login.

    `opened` logs in and gives the headers; it raises a SourceError where that fails.
    """

    def __init__(self, opened: Callable[[], Mapping[str, str]]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._kept: Mapping[str, str] | None = None

    def headers(self) -> Mapping[str, str]:
        """See Credentials."""
        with self._lock:
            if self._kept is None:
                self._kept = self._opened()
            return self._kept

    def renewed(self, refused: Mapping[str, str]) -> bool:
        """See Credentials. Of the threads that one expired session refuses at once, the first logs in for all."""
        with self._lock:
            if self._kept == refused:
                self._kept = None
        return True


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `url` is absolute; a POST has a JSON `body` or a `form`; statuses in `accepted` are answers like any other."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    body: object = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    accepted: frozenset[int] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ERP said. `link` is the next page's address where a Link header names one (RFC 8288); `wait` the seconds of a Retry-After.

    `cookies` are those that it set, by name.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    link: str | None
    body: bytes = field(repr=False)
    wait: float | None = None
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def bare(self) -> str:
        """Its address, fit for messages: without parameters, which may be secret."""
        return _bare(self.url)

    def json(self) -> Any:  # any JSON
        """The body as JSON, whatever encoding it came in; raises SourceChanged where it is none."""
        try:
            return json.loads(text(self.body, self.charset))
        except ValueError:
            raise Garbled(self._not_json()) from None
        except RecursionError:
            raise SourceChanged(self._not_json()) from None

    def _not_json(self) -> str:
        told = f"{_bare(self.url)} answered {self.status} with {len(self.body)} bytes of {self.media_type or 'unnamed type'}"
        if self.media_type == "text/html" or self.body.lstrip()[:1] == b"<":
            return f"{told}, a web page where JSON was expected: is `url` right, and is no login page or proxy in between?"
        return f"{told} that are not JSON, or only a part of it"


def text(body: bytes, declared: str | None) -> str:
    """A body as text: UTF-8 if it is that, else as declared, else Windows-1252. Raises ValueError where it is none of them.

    The declaration comes second because ERPs declare wrongly or nothing at all, and no other encoding passes for UTF-8 by chance;
    guessing by statistics was wrong for Portuguese nine times of nine. Declared as Latin-1 it is read as Windows-1252 first, as browsers
    do: what differs are quotation marks and dashes, where Latin-1 has control characters.
    """
    latin = (declared or "").lower() in _LATIN
    for charset in ("utf-8-sig", None if latin else declared, "cp1252", declared):
        if charset:
            with suppress(UnicodeDecodeError, LookupError):
                return body.decode(charset)
    msg = "the bytes are of no known encoding"
    raise ValueError(msg)


class Line:
    """A line to one ERP, for several threads at once. One without `tries` asks once: it serves another line, which tries again for both."""

    def __init__(self, table: HttpTable, credentials: Credentials, tries: Tries | None = None) -> None:
        self._table = table
        self._credentials = credentials
        self._session = _session(table)
        self._tries = tries

    def ask(self, question: Question, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer to one question, of the host of `url` alone.

        Raises SourceDown after what may pass (no answer, cut short, too slow, 429, 5xx) did not pass within the tries, SourceRefused for
        any other 4xx and for what the table calls permanent, SourceChanged for an answer that leads to another host, has no end, or is
        nothing that `read` can use. Where the ERP answers 401, or `read` raises Expired, credentials are renewed and it is asked once more.
        """
        once = partial(self._read, question, read)
        return self._tries(once) if self._tries else once()

    def _read(self, question: Question, read: Callable[[Answer], T]) -> T:
        headers = self._credentials.headers()
        try:
            return read(self._answered(question, headers))
        except Expired:
            if not self._credentials.renewed(headers):
                raise
        return read(self._answered(question, self._credentials.headers()))

    def _answered(self, question: Question, headers: Mapping[str, str]) -> Answer:
        with self._sent(question, {**question.headers, **headers}) as response:
            if response.status_code == requests.codes.unauthorized and response.status_code not in question.accepted:
                msg = f"{_bare(question.url)} answered 401: it does not accept our credentials"
                raise Expired(msg)
            return self._answer(question, response)

    @contextmanager
    def _sent(self, question: Question, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """The response, redirects on the same host followed; whatever breaks while it is open is named for what the caller does next."""
        with Deadline(self._table.timeout) as deadline:
            try:
                with self._followed(question, headers) as response:
                    yield response
                if deadline.passed:
                    raise SourceDown(self._too_slow(question))
            except RequestException as error:
                if deadline.passed:
                    raise SourceDown(self._too_slow(question)) from None
                # From None: the library's texts quote the whole URL, whose parameters may be secret.
                raise _named(error, _bare(question.url)) from None

    def _too_slow(self, question: Question) -> str:
        return f"{_bare(question.url)} did not finish its answer within {self._table.timeout:g} s"

    def _followed(self, question: Question, headers: Mapping[str, str]) -> requests.Response:
        url, params = question.url, dict(question.params)
        for _ in range(_MOST_REDIRECTS + 1):
            self._must_be_ours(url)
            response = self._session.request(
                question.method,
                url,
                params=params,
                json=question.body,
                data=question.form,
                headers=dict(headers),
                stream=True,
                allow_redirects=False,
                timeout=self._table.timeout,
            )
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                return response
            response.close()
            if question.method != "GET" and response.status_code not in _KEEPING_METHOD:
                msg = f"{_bare(url)} redirects a {question.method}, which would lose the question: set `url` to where it leads"
                raise SourceChanged(msg)
            url, params = urljoin(url, location), {}
        msg = f"{_bare(question.url)} redirects without end"
        raise SourceChanged(msg)

    def _must_be_ours(self, url: str) -> None:
        if origin(url) != origin(self._table.url):
            ours, theirs = _bare(self._table.url), _bare(url)
            msg = f"{ours} leads to another host, {theirs}, where our credentials must not go; if that is the ERP, set `url` to it"
            raise SourceChanged(msg)

    def _answer(self, question: Question, response: requests.Response) -> Answer:
        status = response.status_code
        if not response.ok and status not in question.accepted:
            raise self._refusal(response, _bare(question.url))
        declared = response.headers.get("Content-Type", "")
        charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", declared, re.IGNORECASE)
        return Answer(
            url=response.url,
            status=status,
            media_type=declared.split(";")[0].strip().lower(),
            charset=charset[1] if charset else None,
            link=response.links.get("next", {}).get("url"),
            body=self._body(response, _bare(question.url)),
            wait=_seconds(response.headers.get("Retry-After", "")),
            cookies=response.cookies.get_dict(),
        )

    def _refusal(self, response: requests.Response, bare: str) -> Exception:
        if _may_pass(response.status_code) and self._table.permanent_errors:
            told = _beginning(response)
            for pattern in self._table.permanent_errors:
                if pattern.search(told):
                    # The pattern, and not what it matched: an ERP may repeat the question, whose parameters may be secret.
                    why = f"what `permanent_errors` names with {pattern.pattern!r}: check the address and the parameters in sources.toml"
                    return SourceRefused(f"{bare} answered {response.status_code} and {why}")
        return _refused(response, bare)

    def _body(self, response: requests.Response, bare: str) -> bytes:
        """The unpacked body, read only as far as it may go: a few packed kilobytes can unpack to gigabytes."""
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._table.max_bytes:
                msg = f"{bare} answered with more than {self._table.max_bytes:,} bytes; ask for smaller pages or raise `max_bytes`"
                raise SourceChanged(msg)
        return bytes(body)


def _may_pass(status: int) -> bool:
    return status in _PASSING or status >= requests.codes.internal_server_error


def _beginning(response: requests.Response) -> str:
    """As much of an error's body as came and is searched."""
    body = bytearray()
    with suppress(RequestException):
        for chunk in response.iter_content(_ERROR_BYTES):
            body += chunk
            if len(body) >= _ERROR_BYTES:
                break
    told = bytes(body[:_ERROR_BYTES])
    try:
        return text(told, None)
    except ValueError:
        return told.decode("utf-8", "replace")


def _refused(response: requests.Response, bare: str) -> Exception:
    status = response.status_code
    if _may_pass(status):
        wait = _seconds(response.headers.get("Retry-After", ""))
        msg = f"{bare} answered {status}"
        return SourceDown(msg) if wait is None else Busy(msg, wait)
    if status == requests.codes.forbidden:
        return SourceRefused(f"{bare} answered {status}: it does not accept our credentials, or they may not read this")
    if status in _REDIRECTS:
        return SourceChanged(f"{bare} answered {status} without saying where to")
    return SourceRefused(f"{bare} answered {status}: check the address and the parameters in sources.toml")


def _seconds(retry_after: str) -> float | None:
    """How long a Retry-After header asks to wait: it holds seconds or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _named(error: RequestException, bare: str) -> Exception:
    match error:
        case InvalidURL():
            return SourceChanged(f"{bare} is no address that can be asked")
        case SSLError():
            return _tls(error, bare)
        case ContentDecodingError():
            return SourceChanged(f"{bare} answered with a body that does not unpack as its Content-Encoding says")
        case ConnectTimeout():
            return Unreached(f"{bare} cannot be reached: nothing answers there")
    causes = {type(cause) for cause in _causes(error)}
    if NameResolutionError in causes:
        why = "cannot be reached: the host's name is not known here"
    elif ConnectionRefusedError in causes:
        why = "cannot be reached: the connection was refused"
    elif ConnectionResetError in causes:
        why = "broke off: the connection was reset"
    else:
        why = f"broke off ({type(error).__name__})"
    unreached = causes & {NameResolutionError, ConnectionRefusedError}
    return (Unreached if unreached else SourceDown)(f"{bare} {why}")


def _tls(error: SSLError, bare: str) -> Exception:
    """What went wrong before a word of HTTP was said. Only a connection that broke off in it may be whole the next time."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return SourceRefused(f"{bare} has a certificate that is not trusted: set `ca_cert` to its authority's, or mend `url`")
    if any(isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError) for cause in causes):
        return SourceDown(f"{bare} broke off while its certificate was asked for")
    return SourceRefused(f"{bare} cannot be spoken to by TLS: does it speak https, and of a version that is still safe?")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """All that led to an error: the libraries keep it in the chain, in `reason` or in the arguments."""
    yield error
    for inner in (error.__cause__, getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


def _bare(url: str) -> str:
    """An address fit for messages: without parameters, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Origin:
    """What makes two addresses one host: who may be told our secrets."""

    scheme: str
    host: str | None
    port: int | None


def origin(url: str) -> Origin:
    """The host behind an address."""
    try:
        parts = urlsplit(url)
        return Origin(parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme))
    except ValueError:
        return Origin("", None, None)


def _session(table: HttpTable) -> requests.Session:
    session = requests.Session()
    # Not the environment's proxies (they would catch loopback and the house's own hosts), and not ~/.netrc, whose passwords would
    # replace ours without a word. What is wanted stands in sources.toml.
    session.trust_env = False
    session.proxies = {"http": table.proxy, "https": table.proxy} if table.proxy else {}
    session.verify = str(table.ca_cert) if table.ca_cert else True
    session.headers.update({"Accept": "application/json, */*;q=0.5", "User-Agent": "bulario-indexer"})
    session.headers.update({name: str(plain(value)) for name, value in table.headers.items()})
    session.mount("http://", DeadlineAdapter(pool_maxsize=table.max_in_flight))
    session.mount("https://", DeadlineAdapter(pool_maxsize=table.max_in_flight))
    return session
