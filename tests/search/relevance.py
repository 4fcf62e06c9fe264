"""How well the judged questions are answered, by kind, beside a plain index: `make relevance`.

success@1, success@3: the share of questions whose first leaflet (one of the first three) is graded 2 or 3. For a misspelling: the right
name is the first suggestion (one of the first three) and a click on it shows the drug's leaflet, or that leaflet stands there. For an
ordinary word: it is taken for no name and no name is offered for it. For a drug that no source holds: no leaflet is shown. For a fact
that the leaflet does not state: its leaflet stands there and is said not to state it.
wrong-drug@1: the share whose first leaflet is one of another drug than the question names.
nDCG@10: by ranx, over the grades. answer: the share where 60 % of the answer's words stand in the first 800 characters highlighted of
the first leaflet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ranx import Qrels, Run, evaluate  # type: ignore[import-untyped]  # ranx ships no types

from tests.search.asked import Offer, Shown
from tests.search.judgements import MISSPELT, Document, Question, words

# Said often enough of the answer to have told it.
TOLD = 0.6
_STOP = words(
    "a ao aos as à às até com como da das de do dos e é ela elas ele eles em entre essa esse esta este foi for há isso já lhe mais mas na "
    "nas no nos não o os ou para pela pelas pelo pelos por que quando se sem ser seu seus sob sobre sua suas são também tem têm um uma "
    "você vocês"
)


@dataclass(frozen=True, slots=True)
class Score:
    """How one question was answered; None where the figure says nothing of it."""

    success1: bool
    success3: bool
    wrong: bool | None
    ndcg: float | None
    answers: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One question, answered by ours and by the plain index."""

    question: Question
    shown: Shown
    ours: Score
    plain: Score


@dataclass(frozen=True, slots=True)
class Figures:
    """The shares over some questions; None where no question has one."""

    success1: float | None
    success3: float | None
    wrong: float | None
    ndcg: float | None
    answers: tuple[float | None, ...]


def scored(asked: Iterable[tuple[Question, Shown]], documents: dict[str, Document]) -> tuple[Score, ...]:
    """The score of each question."""
    every = tuple(asked)
    return tuple(
        Score(
            success1=_success(question, shown, documents, 1),
            success3=_success(question, shown, documents, 3),
            wrong=_wrong(question, shown, documents),
            ndcg=ndcg,
            answers=tuple(any(_tells(passage, answer) for answer in question.answers) for passage in shown.passages if question.answers),
        )
        for (question, shown), ndcg in zip(every, _ndcg(every), strict=True)
    )


def _success(question: Question, shown: Shown, documents: dict[str, Document], first: int) -> bool:
    if question.kind == "ordinary":
        return not shown.offers and not shown.drug
    if question.kind == "absent":
        return not shown.leaflets
    if question.kind in MISSPELT:
        named = any(_is_right(question, offer, documents) for offer in shown.offers[:first])
        return named or any(_holds(question, documents[leaflet]) for leaflet in shown.leaflets[:first])
    right = [leaflet for leaflet in shown.leaflets[:first] if question.grades.get(leaflet, 0) >= 2]
    return any(question.kind != "not_stated" or leaflet in shown.unstated for leaflet in right)


def _is_right(question: Question, offer: Offer, documents: dict[str, Document]) -> bool:
    """Whether it is the right name, with its salt or without but of no combination with it, and a click shows a leaflet of the drug."""
    right = any(name <= words(offer.name) for name in question.right_names) and ("+" in offer.name) <= ("+" in question.drug)
    return right and bool(offer.leaflet) and _holds(question, documents[offer.leaflet])


def _holds(question: Question, document: Document) -> bool:
    return any(name <= document.words for name in question.names)


def _wrong(question: Question, shown: Shown, documents: dict[str, Document]) -> bool | None:
    if not question.names:
        return None
    return any(not (question.grades[one] if one in question.grades else _holds(question, documents[one])) for one in shown.leaflets[:1])


def _ndcg(asked: tuple[tuple[Question, Shown], ...]) -> tuple[float | None, ...]:
    graded = {str(number): (question, shown) for number, (question, shown) in enumerate(asked) if any(question.grades.values())}
    if not graded:
        return (None,) * len(asked)
    qrels = Qrels({key: {leaflet: grade for leaflet, grade in question.grades.items() if grade} for key, (question, _) in graded.items()})
    # ranx wants a leaflet for each question; one that is in no corpus stands for none.
    runs = {key: {leaflet: 1 / place for place, leaflet in enumerate(shown.leaflets or ("",), 1)} for key, (_, shown) in graded.items()}
    evaluate(qrels, run := Run(runs), "ndcg@10", return_mean=False)
    return tuple(float(run.scores["ndcg@10"][key]) if (key := str(number)) in graded else None for number in range(len(asked)))


def _tells(passage: str, answer: str) -> bool:
    wanted = words(answer) - _STOP
    return len(wanted & words(passage)) >= TOLD * len(wanted)


def figures(scores: Iterable[Score]) -> Figures:
    """The shares over these scores."""
    every = tuple(scores)
    answers = tuple(zip(*(score.answers for score in every if score.answers), strict=True))
    return Figures(
        success1=_share(score.success1 for score in every),
        success3=_share(score.success3 for score in every),
        wrong=_share(score.wrong for score in every),
        ndcg=_share(score.ndcg for score in every),
        answers=tuple(map(_share, answers)),
    )


def _share(of: Iterable[float | None]) -> float | None:
    told = [one for one in of if one is not None]
    return sum(told) / len(told) if told else None
