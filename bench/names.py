"""How long it takes to know which drug a question names, among 50,000 names; the index is not asked.

The names are made up of the syllables and endings that real ones have; the questions are names as they are, misspelt, within a sentence
and within an invoice's line. The peer compares the question's words with every name (rapidfuzz, the library's own loop).
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

from leaflets.labels import phrase
from leaflets.names import ingredient
from opensearch.names import Named
from opensearch.synonyms import synonyms
from searchapi.ordinary import ordinary_words
from searchapi.understand import Usage, read, understood
from searchapi.vocabulary import Vocabulary, vocabulary

NAMES = 50_000
QUESTIONS = 1_000
# In milliseconds: what the issue allows the slowest question in twenty.
LIMIT = 5.0

_BEGINNINGS = """ab al am an ar as be bi bo bro bu ca car ce ci cla clo co da de di do en es eto fa fe fi flu fo fu ga ge gli ha he hi in la
    le li lo lu ma me mi mo na ne ni no pa pe pi pra pro que ra re ri ro sa se si so su ta te ti to tra va ve vi xi za zo""".split()
_MIDDLES = """bi bro ca cla co da de di do fe fi fla flu ga la le li lo ma me mi mo na ne ni no pe pi pra pro ra re ri ro sa si so ta te ti
    to tri va vi""".split()
_ENDINGS = """azol azepam cilina ciclina cilona dipino dronato fenaco floxacino formina gliptina mabe micina nibe olol oxetina pamida parina
pril prazol profeno sartana setrona statina terol tiazida tidina tinibe toina triptana vastatina vir xabana zepina zida zina""".split()
_SENTENCES = (
    "{} em crianca",
    "posso tomar {} gravida",
    "esqueci de tomar {} ontem a noite",
    "{} com alcool",
    "onde guardar {} depois de aberto",
)
_LINES = ("{} 500 MG CX C/30 CPR", "CLOR {} XPE 120 ML", "{} 10MG/ML SOL INJ C 50 AMP", "{} GTS 20ML FR GEN")
_SLIPS = (
    ("s", "ss"),
    ("z", "s"),
    ("c", "s"),
    ("x", "ch"),
    ("i", "e"),
    ("o", "u"),
    ("l", "u"),
    ("f", "ph"),
    ("n", "m"),
    ("r", ""),
    ("a", ""),
)


def main() -> None:
    """Prints the line."""
    chance = random.Random(7)
    known = made_up(chance, NAMES)
    questions = _questions(chance, sorted(known.drugs))
    for question in questions[:50]:
        _resolve(question, known)
    ours = _milliseconds(questions, lambda question: _resolve(question, known))
    words = tuple(known.lexicon.counts)
    sample = questions[:100]
    peer = _milliseconds(sample, lambda question: _compare_all(question, words))
    print(
        f"names: p95 {_p95(ours):.2f} ms, median {statistics.median(ours):.2f} ms for {len(questions)} questions among {len(known.drugs)} "
        f"names; limit {LIMIT:.0f} ms, p95 is {_p95(ours) / LIMIT:.2f} of it; comparing with every name: p95 "
        f"{_p95(peer):.1f} ms = {_p95(peer) / _p95(ours):.0f} x ours"
    )


def made_up(chance: random.Random, count: int) -> Vocabulary:
    """A vocabulary of so many names."""
    made: set[str] = set()
    while len(made) < count:
        middles = "".join(chance.choices(_MIDDLES, k=chance.randint(0, 2)))
        made.add(chance.choice(_BEGINNINGS) + middles + chance.choice(_ENDINGS))
    named = (Named(name.title(), (name,), (ingredient(name),), "", ()) for name in sorted(made))
    return vocabulary(named, synonyms(), stamp="bench", generation="bench", ordinary=ordinary_words())


def _questions(chance: random.Random, names: Sequence[str]) -> list[str]:
    questions = []
    for _ in range(QUESTIONS):
        name = chance.choice(names)
        if chance.random() < 0.6:
            for slip in chance.sample(_SLIPS, k=4):
                name = name.replace(*slip, 1)
        shape = chance.choice(("{}", *_SENTENCES, *_LINES))
        questions.append(shape.format(name.upper() if "{} " in shape and shape.isupper() else name))
    return questions


def _resolve(question: str, known: Vocabulary) -> None:
    understood(read(question, known), Usage(), known)


def _compare_all(question: str, words: Sequence[str]) -> None:
    for word in phrase(question).split():
        process.extract(word, words, scorer=OSA.distance, score_cutoff=4, limit=5)


def _milliseconds(questions: Sequence[str], work: Callable[[str], None]) -> list[float]:
    taken = []
    for question in questions:
        started = time.perf_counter()
        work(question)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _p95(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=20)[-1]
