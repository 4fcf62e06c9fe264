"""What was judged by hand: questions, the drug each means, and how well each leaflet answers. Independent of what the product believes.

`judgements.csv` (names) and `judgements_passages.csv` (sections and passages) hold a row for each question and graded leaflet: 3 the
leaflet meant, 2 as good an answer (the same drug, another product of it), 1 the drug among others or under another brand, 0 another
drug that a search might take for it. A demonstration leaflet is named by its file (`dipirona-monoidratada.patient`), a real one by its
id in ../shared/data. `drug` holds the right name, after `=` others as right, and after `|` further names of the same drug, which a
leaflet of it may bear but which are not what was meant to be written. `answer` quotes a demonstration leaflet's own words, or is
`start:end` in a real one's text, which is not ours to copy.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from demo.catalogue import FOLDER, catalogue
from tests.search.corpus import record, rows

FILES = tuple(Path(__file__).with_name(name) for name in ("judgements.csv", "judgements_passages.csv"))
COLUMNS = ("kind", "corpus", "question", "drug", "section", "leaflet", "grade", "answer", "why")

Corpus = Literal["demo", "real"]
MISSPELT = frozenset({"invoice_misspelt", "misspelling", "misspelling_section"})
# No leaflet is the answer to these: an ordinary word is no name, and a drug that no source holds has no leaflet.
NOTHING_MEANT = frozenset({"ordinary", "absent"})
# In the real leaflets whose names nobody wrote down, every name stands before this character (2026-11).
_TITLE = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, as written."""

    kind: str
    corpus: Corpus
    question: str
    drug: str
    section: str
    leaflet: str
    grade: int
    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class Document:
    """One leaflet of a corpus, as both searches get it."""

    id: str
    name: str
    substances: str
    text: str
    title: str = ""

    @property
    def words(self) -> frozenset[str]:
        """The words of its id, its names and its title, folded."""
        return words(f"{self.id} {self.name} {self.substances} {self.title}")


@dataclass(frozen=True, slots=True)
class Question:
    """One question and everything judged of it."""

    kind: str
    corpus: Corpus
    text: str
    drug: str
    grades: dict[str, int]
    answers: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nobody tunes on it: a third of the questions, always the same ones."""
        return int(hashlib.sha256(fold(self.text).encode()).hexdigest(), 16) % 3 == 0

    @property
    def names(self) -> tuple[frozenset[str], ...]:
        """The words of each name of the drug; empty where the question names none."""
        return tuple(words(name) for name in re.split("[=|]", self.drug) if name)

    @property
    def right_names(self) -> tuple[frozenset[str], ...]:
        """The words of the names that were meant to be written."""
        return tuple(words(name) for name in self.drug.split("|")[0].split("="))


def fold(text: str) -> str:
    """Small letters without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


@lru_cache(maxsize=10_000)  # A leaflet's names are held against every question.
def words(text: str) -> frozenset[str]:
    """The words of a text, folded; connectors are none."""
    return frozenset(re.findall(r"\w+", fold(text))) - {"de", "do", "da", "e", "com"}


def judged() -> tuple[Row, ...]:
    """Every row of the files, in their order."""
    return tuple(itertools.chain.from_iterable(map(_rows, FILES)))


def _rows(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        # The corpus is whatever the file says; test_relevance checks what a CSV cannot promise.
        return [Row(**{**line, "grade": int(line["grade"])}) for line in csv.DictReader(lines)]  # type: ignore[arg-type]


def questions(corpus: Corpus, documents: dict[str, Document]) -> tuple[Question, ...]:
    """The questions about one corpus."""
    held = sorted((row for row in judged() if row.corpus == corpus), key=lambda row: (row.kind, row.question))
    return tuple(
        Question(
            kind=kind,
            corpus=corpus,
            text=text,
            drug=of_it[0].drug,
            grades={row.leaflet: row.grade for row in of_it if row.leaflet},
            answers=tuple(answer(row, documents[row.leaflet]) for row in of_it if row.answer),
        )
        for (kind, text), of_it in ((key, tuple(some)) for key, some in itertools.groupby(held, key=lambda row: (row.kind, row.question)))
    )


def answer(row: Row, document: Document) -> str:
    """The words that a row says the answer is."""
    if row.corpus == "demo":
        return row.answer
    start, end = map(int, row.answer.split(":"))
    return document.text[start:end]


def demo_documents() -> dict[str, Document]:
    """The demonstration's leaflets by file; of the same leaflet in several ERPs the newest, which is the one that search shows."""
    files = demo_files()
    found: dict[str, Document] = {}
    for leaflet in sorted(catalogue(), key=lambda one: one.updated_at, reverse=True):
        file = files[leaflet.source, leaflet.source_id]
        found.setdefault(file, Document(file, leaflet.name, " + ".join(leaflet.active_ingredients), leaflet.text))
    return found


def demo_files() -> dict[tuple[str, str], str]:
    """Which file a source's id stands for."""
    found = {}
    for file in FOLDER.glob("*.txt"):
        told = tomllib.loads(file.read_text(encoding="utf-8").split("+++\n", 2)[1])
        for held in (told, *told.get("also_in", ())):
            found[held["source"], held["source_id"]] = file.stem
    return found


def real_documents() -> dict[str, Document]:
    """The real leaflets that are no duplicate of another, by id."""
    return {document.id: document for document in _real()}


def _real() -> Iterator[Document]:
    for row in rows():
        if row["duplicate_of"]:
            continue
        told = record(row)
        names = {told["substances"], *(meta["name"] or "" for meta in row["meta"])}
        yield Document(
            id=row["id"],
            name=told["name"] or row["id"].replace("-", " "),
            substances=" ".join(sorted(names)).strip(),
            text=row["text"],
            title="" if told["name"] else row["text"][:_TITLE],
        )
