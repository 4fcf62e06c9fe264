"""What may be asked over HTTP: each parameter checked, each complaint naming the parameter and what it may be. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import process

from leaflets import Audience, Section
from searchapi.query import Filters, Window

# A question on the phone is a sentence; an invoice line has at most 120 characters.
LONGEST_QUESTION = 300
LARGEST_PAGE = 50
# Bytes: the longest id that OpenSearch holds.
LONGEST_ID = 512
# Nobody on the phone reads the hundredth page, and OpenSearch sorts all that comes before one.
DEEPEST = 1_000


class BadParameter(Exception):
    """A parameter cannot be used; the text names it and says what it may be."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


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


_SECTIONS, _AUDIENCES = tuple(map(str, Section)), tuple(map(str, Audience))
COMPARE = ("a", "b")
SEARCH = ("q", "audience", "section", "laboratory", "source", "page", "size", "explain")


def search(given: Mapping[str, str]) -> Question:
    """The question of `/v1/search`."""
    known(given, SEARCH)
    window = Window(_whole(given, "page", 1, DEEPEST), _whole(given, "size", 10, LARGEST_PAGE))
    if window.page * window.size > DEEPEST:
        message = f"page {window.page} of {window.size} lies beyond the first {DEEPEST} results: ask with more words instead"
        raise BadParameter("page", message)
    section = _one_of(given, "section", _SECTIONS)
    filters = Filters(
        audience=_one_of(given, "audience", _AUDIENCES),
        section=Section(section) if section else None,
        laboratory=tidy(given.get("laboratory", "")),
        source=tidy(given.get("source", "")),
    )
    return Question(question(given), filters, window, explain=_one_of(given, "explain", ("0", "1")) == "1")


def pair(given: Mapping[str, str]) -> Pair:
    """The leaflets of `/v1/compare`."""
    known(given, COMPARE)
    ids = {name: tidy(given.get(name, "")) for name in COMPARE}
    for name, leaflet_id in ids.items():
        if not leaflet_id or len(leaflet_id.encode()) > LONGEST_ID:
            raise BadParameter(name, f"{name} must be the id of a leaflet, as a search gives it: {name}=matriz:001101:patient")
    return Pair(ids["a"], ids["b"])


def question(given: Mapping[str, str]) -> str:
    """The words of `q`, one blank apart and without control characters; at least one of them a letter or digit."""
    text = tidy(given.get("q", ""))
    if not any(c.isalnum() for c in text):
        message = "q is empty: write the drug's name and what is asked of it, such as q=dipirona em crianca"
        raise BadParameter("q", message)
    if len(text) > LONGEST_QUESTION:
        message = f"q has {len(text)} characters, at most {LONGEST_QUESTION} are read: keep the drug's name and what is asked of it"
        raise BadParameter("q", message)
    return text


def known(given: Mapping[str, str], parameters: tuple[str, ...]) -> None:
    """Complains of a parameter that does not exist, naming the nearest that does."""
    for name in given:
        if name not in parameters:
            nearest = process.extractOne(name, parameters)
            hint = f"did you mean {nearest[0]}?" if nearest else ""
            shown = tidy(name)[:40]
            raise BadParameter(shown, f"there is no parameter {shown!r}; {hint} It may be one of {', '.join(parameters)}")


def tidy(text: str) -> str:
    """Text without control, format and private-use characters, one blank between words, composed (NFC)."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", text))
    return " ".join(kept.split())


def _whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return default
    number = int(text) if text.isdecimal() and len(text) < 9 else 0  # nine digits are beyond any bound here
    if not 1 <= number <= most:
        raise BadParameter(name, f"{name} must be a whole number from 1 to {most}, such as {name}={default}")
    return number


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name, "").strip()
    if value and value not in allowed:
        raise BadParameter(name, f"{name} must be one of {', '.join(allowed)}")
    return value
