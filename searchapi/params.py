"""What may be asked over HTTP: each parameter declared once, for the check and for /openapi.json. Pure.

Each complaint names the parameter and says what it may be.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import process
from werkzeug.datastructures import MultiDict

from leaflets import Audience, Section
from searchapi import paging
from searchapi.query import Filters, Window

# A question on the phone is a sentence; an invoice line has at most 120 characters.
LONGEST_QUESTION = 300
LARGEST_PAGE = 50
# Characters; OpenSearch holds ids of at most as many bytes.
LONGEST_ID = 512
# Characters of a laboratory's or source's name, as many as of a question: more is no name.
LONGEST_NAME = 300
# Characters; gunicorn reads no longer address.
LONGEST_ADDRESS = 8190
# Nobody on the phone reads the hundredth page, and OpenSearch sorts all that comes before one.
DEEPEST = 1_000
# What a question and an id have at least, as JSON Schema writes a letter or digit.
WORD = r"[\p{L}\p{N}]"

Given = Mapping[str, str]
Schema = dict[str, object]


class BadParameter(Exception):
    """A parameter cannot be used; the text names it and says what it may be."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an address. Its kinds below say what it may hold, for those who ask and for /openapi.json."""

    name: str
    description: str
    required: bool = False
    in_path: bool = False

    @property
    def schema(self) -> Schema:
        """What it may hold, as JSON Schema."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Parameter):
    """Words or a name, tidied; empty where it was not given. `longest` in characters; a required one has a letter or digit."""

    longest: int

    @property
    def schema(self) -> Schema:
        """A string of bounded length."""
        told: Schema = {"type": "string", "maxLength": self.longest}
        return told | ({"minLength": 1, "pattern": WORD} if self.required else {})

    def of(self, given: Given) -> str:
        """Its value in a request."""
        text = given.get(self.name, "")
        if len(text) > self.longest:
            message = f"{self.name} has {len(text)} characters, at most {self.longest} are read: {_SHORTER.get(self.name, 'shorten it')}"
            raise BadParameter(self.name, message)
        return tidy(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Parameter):
    """A whole number from 1 to `most`."""

    most: int
    default: int

    @property
    def schema(self) -> Schema:
        """An integer within bounds."""
        return {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.default}

    def of(self, given: Given) -> int:
        """Its value in a request."""
        text = given.get(self.name, "").strip()
        if not text:
            return self.default
        number = int(text) if text.isdecimal() and len(text) < 9 else 0  # nine digits are beyond any bound here
        if not 1 <= number <= self.most:
            raise BadParameter(self.name, f"{self.name} must be a whole number from 1 to {self.most}, such as {self.name}={self.default}")
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Parameter):
    """One of a closed set; empty where it was not given."""

    values: tuple[str, ...]
    default: str = ""

    @property
    def schema(self) -> Schema:
        """A string of an enumeration."""
        told: Schema = {"type": "string", "enum": list(self.values)}
        return told | ({"default": self.default} if self.default else {})

    def of(self, given: Given) -> str:
        """Its value in a request."""
        value = given.get(self.name, "").strip()
        if value and value not in self.values:
            raise BadParameter(self.name, f"{self.name} must be one of {', '.join(self.values)}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafletId(Parameter):
    """The id of a leaflet."""

    required: bool = True

    @property
    def schema(self) -> Schema:
        """A string as OpenSearch may hold it."""
        return {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": WORD, "examples": ["matriz:001101:patient"]}

    def of(self, given: Given) -> str:
        """Its value in a request."""
        leaflet_id = tidy(given.get(self.name, ""))
        if not _says_something(leaflet_id) or len(given[self.name]) > LONGEST_ID:
            message = f"{self.name} must be the id of a leaflet, as a search gives it: {self.name}=matriz:001101:patient"
            raise BadParameter(self.name, message)
        return leaflet_id


# What a person can do about a text that is too long.
_SHORTER = {"q": "keep the drug's name and what is asked of it", "cursor": "send `next` of an answer as it came"}

Q = Text(
    name="q", description="The question: a drug's name and what is asked of it, as people type it. It has a letter or digit.",
    longest=LONGEST_QUESTION, required=True,
)  # fmt: skip
MARKED = Text(name="q", description="Words to mark.", longest=LONGEST_QUESTION)
AUDIENCE = Choice(name="audience", description="Only leaflets for these readers.", values=tuple(map(str, Audience)))
SECTION = Choice(name="section", description="Lead with this section, whatever the words ask for.", values=tuple(map(str, Section)))
LABORATORY = Text(name="laboratory", description="Only leaflets of this laboratory, as a facet gives it.", longest=LONGEST_NAME)
SOURCE = Text(name="source", description="Only leaflets of this source.", longest=LONGEST_NAME)
PAGE = Whole(name="page", description=f"Page of results, from 1. page times size is at most {DEEPEST}.", most=DEEPEST, default=1)
SIZE = Whole(name="size", description="Results a page.", most=LARGEST_PAGE, default=10)
CURSOR = Text(
    name="cursor",
    description="`next` of the page before, with the same q and filters: no result comes twice and none that stands all along is left out, "
    f"whatever is written into the index meanwhile. Goes through at most {paging.MOST} results. In place of `page`.",
    longest=LONGEST_ADDRESS,
)
EXPLAIN = Choice(
    name="explain",
    description="1: each result says why it stands where it does. Needs a key with the role explain.",
    values=("0", "1"),
    default="0",
)
A = LeafletId(name="a", description="The id of a leaflet.")
B = LeafletId(name="b", description="The id of another.")
ID = LeafletId(name="id", description="`source:source_id:audience`.", in_path=True)

SEARCH = (Q, AUDIENCE, SECTION, LABORATORY, SOURCE, PAGE, SIZE, CURSOR, EXPLAIN)
COMPARE = (A, B)
# The page explains to nobody; it asks for the answer alone, as a fragment, while someone types.
PAGE_SEARCH = (*(p for p in SEARCH if p is not EXPLAIN), Choice(name="fragment", description="The answer alone.", values=("1",)))


@dataclass(frozen=True, slots=True)
class Question:
    """A whole search as it was asked. `explain`: the answer is to say why each result stands where it does."""

    text: str
    filters: Filters
    window: Window
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """The ids of two leaflets that are to be compared."""

    a: str
    b: str


def known(asked: MultiDict[str, str], parameters: tuple[Parameter, ...]) -> Given:
    """The parameters of a request. Complains of one that does not exist, naming the nearest that does, and of one given twice."""
    names = [parameter.name for parameter in parameters if not parameter.in_path]
    for name, values in asked.lists():
        if name not in names:
            shown = tidy(name)[:40]
            nearest = process.extractOne(name, names, processor=str.lower)
            hint = f"; did you mean {nearest[0]}? It may be one of {', '.join(names)}" if nearest else " here: this address takes none"
            raise BadParameter(shown, f"there is no parameter {shown!r}{hint}")
        if len(values) > 1:
            raise BadParameter(name, f"{name} was given {len(values)} times: give it once")
    return asked.to_dict()


def search(given: Given) -> Question:
    """The question of `/v1/search`."""
    text = question(given)
    section = SECTION.of(given)
    filters = Filters(AUDIENCE.of(given), Section(section) if section else None, LABORATORY.of(given), SOURCE.of(given))
    return Question(text, filters, _window(given, text, filters), explain=EXPLAIN.of(given) == "1")


def _window(given: Given, text: str, filters: Filters) -> Window:
    page, size, cursor = PAGE.of(given), SIZE.of(given), CURSOR.of(given)
    if cursor:
        return _after(cursor, given, text, filters)
    if page * size > DEEPEST:
        message = f"page {page} of {size} lies beyond the first {DEEPEST} results: ask with more words instead"
        raise BadParameter(PAGE.name, message)
    return Window(page, size)


def _after(cursor: str, given: Given, text: str, filters: Filters) -> Window:
    if given.get(PAGE.name):
        raise BadParameter(CURSOR.name, "cursor stands in place of page: send one of them")
    try:
        seen = len(paging.given(cursor, text, filters).fingerprints)
    except paging.BadCursor as error:
        raise BadParameter(CURSOR.name, str(error)) from None
    if seen >= paging.MOST:
        message = f"a cursor goes through the first {paging.MOST} results: ask with more words or a filter instead"
        raise BadParameter(CURSOR.name, message)
    size = SIZE.of(given)
    return Window(1 + math.ceil(seen / size), size, cursor, seen)


def pair(given: Given) -> Pair:
    """The leaflets of `/v1/compare`."""
    return Pair(A.of(given), B.of(given))


def question(given: Given) -> str:
    """The words of `q`, one blank apart and without control characters; at least one of them a letter or digit."""
    text = Q.of(given)
    if not _says_something(text):
        message = "q is empty: write the drug's name and what is asked of it, such as q=dipirona em crianca"
        raise BadParameter(Q.name, message)
    return text


def _says_something(text: str) -> bool:
    return any(c.isalnum() for c in text)


def tidy(text: str) -> str:
    """Text without control, format and private-use characters, one blank between words, composed (NFC)."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", text))
    return " ".join(kept.split())
