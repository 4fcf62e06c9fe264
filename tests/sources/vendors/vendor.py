"""What every stand-in for a vendor's ERP is: products that a test changes, and the vendor's wire around them, limits and faults included.

A vendor's module subclasses `Vendor`, keeps nothing but sessions, and answers as that vendor does: its paging and its caps, its times and
their resolution, its errors, its way of saying that there is nothing. What it was never seen to answer it must refuse, so that a wrong
question is noticed.
"""

from __future__ import annotations

import io
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from indexer.sources.base import Source
from tests.sources.standin import Reply, Request, StandIn, serving, source_of

TEXT = """{code}

APRESENTAÇÕES
Comprimidos de 500 mg.

1. PARA QUE ESTE MEDICAMENTO É INDICADO?
Este texto inventado fala do remédio {code}.

6. COMO DEVO USAR ESTE MEDICAMENTO?
Tome com água. A palavra desta versão é {word}.
"""


@dataclass(frozen=True, slots=True)
class Hung:
    """A file that hangs on a product."""

    number: int
    name: str
    body: bytes
    hung_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """One product. `number` ascends in the order in which products were made and is never used twice; `code` is the customer's own key.

    `audience` stands in a field that the customer added; one that is no audience makes the record unreadable.
    """

    number: int
    code: str
    word: str
    edited: datetime
    audience: str = "VP"
    inactive: bool = False
    hung: tuple[Hung, ...] = ()

    @property
    def text(self) -> str:
        """The leaflet, with the word that this version of it alone holds."""
        return TEXT.format(code=self.code, word=self.word)


@dataclass(frozen=True, slots=True)
class Gone:
    """A product that was deleted."""

    product: Product
    at: datetime


class Vendor(ABC):
    """One ERP that stands in for a vendor's. Subclasses say how it answers; tests change what it holds."""

    kind: ClassVar[str]
    """The type in sources.toml."""

    tick: ClassVar[timedelta] = timedelta(seconds=1)
    """The resolution of its times."""

    has_sessions: ClassVar[bool] = False
    """Whether a login opens something that can expire."""

    has_inactive: ClassVar[bool] = True
    """Whether products can be made inactive."""

    has_feed: ClassVar[bool] = False
    """Whether it tells of deletions."""

    has_times: ClassVar[bool] = True
    """Whether it can be asked for what changed."""

    punishes: ClassVar[bool] = False
    """Whether a call that is repeated too soon makes it refuse all calls for a while."""

    has_requests: ClassVar[bool] = True
    """Whether it is asked by HTTP, so that sessions, limits and faults of a wire are its business."""

    hangs: ClassVar[bool] = False
    """Whether files can hang on a product."""

    tells_of_hanging: ClassVar[bool] = False
    """Whether it can be asked for the files that changed."""

    secrets: ClassVar[Mapping[str, str]] = {"SECRET": "nothing-secret"}
    """The environment that its table names."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.gone: list[Gone] = []
        self.lock = threading.RLock()
        self.between: Callable[[Request], None] = lambda _: None
        """Called with each request before it is answered."""
        self.faults: dict[int, Reply | None] = {}
        """What the request of a number, from 1, is answered instead; None: the vendor's own `limited`."""
        self.asked = 0
        self._made = 0

    @classmethod
    def made(cls, request: pytest.FixtureRequest) -> Vendor:
        """One for a test, which has the fixtures of `request`."""
        del request
        return cls()

    # --- what a test does ---------------------------------------------------------------------------------------------------------

    def put(self, code: str, word: str, *, at: datetime | None = None, **more: object) -> None:
        """A product new or changed, edited now or `at`."""
        with self.lock:
            old = self.products.get(code)
            if old is None:
                self._made += 1
            edited = self.rounded(at or datetime.now(UTC))
            number = old.number if old else self._made
            hung = old.hung if old else ()
            told: dict[str, object] = {"hung": hung} | more
            self.products[code] = Product(number, code, word, edited, **told)  # type: ignore[arg-type]  # a product's own fields

    def hang(self, code: str, name: str, body: bytes, *, at: datetime | None = None) -> None:
        """A file hung on a product, or put in place of one of the same name; the product itself is not edited."""
        with self.lock:
            old = self.products[code]
            self._made += 1
            one = Hung(self._made, name, body, self.rounded(at or datetime.now(UTC)))
            hung = (*(other for other in old.hung if other.name != name), one)
            self.products[code] = Product(old.number, code, old.word, old.edited, old.audience, old.inactive, hung)

    def delete(self, code: str) -> None:
        """A product gone, for good."""
        with self.lock:
            self.gone.append(Gone(self.products.pop(code), self.rounded(datetime.now(UTC))))

    def rounded(self, at: datetime) -> datetime:
        """A time as precisely as this ERP keeps it."""
        return at - timedelta(microseconds=int(at.timestamp() * 1_000_000) % int(self.tick / timedelta(microseconds=1)))

    def expire(self) -> None:
        """All sessions end."""
        raise NotImplementedError

    def a_minute_passes(self) -> None:  # noqa: B027 most ERPs do not care
        """As between two pulls of a schedule."""

    def source(self, folder: Path, stand_in: StandIn, more: str = "") -> Source:
        """The source that pulls it, as ten lines of sources.toml describe it."""
        return source_of(folder, f'type = "{self.kind}"\n{self.address(stand_in)}\n{self.table}\n{more}', **self.secrets)

    def address(self, stand_in: StandIn) -> str:
        """Where it is, as its table says it."""
        return f'url = "{stand_in.url}"'

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        """It answers, for as long as the block runs."""
        with serving(self._answered) as stand_in:
            yield stand_in

    # --- what a vendor is -----------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def table(self) -> str:
        """The rest of its table: credentials, `fields` with the customer's audience, and pages of three products where that can be set.

        No `rates`, `lag` or `attachments`: the suite sets these.
        """

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """The answer to one request, under the lock."""

    @abstractmethod
    def limited(self) -> Reply:
        """What a request too many is answered, with as short a wait as the vendor's words allow."""

    def source_id(self, product: Product) -> str:
        """The leaflet's id where `fields` sets none."""
        return product.code

    def _answered(self, request: Request) -> Reply:
        with self.lock:
            self.asked += 1
            self.between(request)
            if self.asked in self.faults:
                return self.faults.pop(self.asked) or self.limited()
            return self.answer(request)


def by_number(products: Mapping[str, Product]) -> list[Product]:
    """Products in the order in which they were made."""
    return sorted(products.values(), key=lambda product: product.number)


def zipped(name: str, body: bytes) -> bytes:
    """A ZIP with one file in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, body)
    return packed.getvalue()
