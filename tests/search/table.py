"""The figures by kind of question as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.search.relevance import Figures, Measured, figures

_HEAD = (
    f"{'':22}{'':>5} | {'ours':^39} | {'plain index':^47}\n"
    f"{'':22}{'n':>5} | {'succ@1':>7}{'succ@3':>7}{'wrong@1':>8}{'nDCG@10':>8}{'answer':>8} "
    f" | {'succ@1':>7}{'succ@3':>7}{'wrong@1':>8}{'nDCG@10':>8}{'answer':>8}{'5x200':>8}"
)


def table(measured: Iterable[Measured]) -> str:
    """The figures by kind of question: all, by corpus, and those held back apart from those open to tuning."""
    every = tuple(measured)
    parts = {
        "all questions": every,
        "demo": tuple(one for one in every if one.question.corpus == "demo"),
        "real leaflets": tuple(one for one in every if one.question.corpus == "real"),
        "open": tuple(one for one in every if not one.question.held),
        "held back": tuple(one for one in every if one.question.held),
    }
    return "\n\n".join(f"{title}\n{_HEAD}\n{_lines(part)}" for title, part in parts.items() if part)


def misses(measured: Iterable[Measured]) -> str:
    """The open questions whose answer was not first, and what was; those held back are nobody's to look at."""
    return "\n".join(map(_miss, (one for one in measured if not one.ours.success1 and not one.question.held)))


def _miss(one: Measured) -> str:
    shown = ", ".join(one.shown.leaflets[:3]) or "nothing"
    offered = ", ".join(offer.name for offer in one.shown.offers[:3]) or "nothing"
    meant = one.question.drug or "no drug"
    return f"{one.question.kind:22}{one.question.corpus:5} {one.question.text!r} means {meant!r}: shown {shown}; offered {offered}"


def _lines(part: tuple[Measured, ...]) -> str:
    kinds = sorted({one.question.kind for one in part})
    return "\n".join([*(_line(kind, [one for one in part if one.question.kind == kind]) for kind in kinds), _line("total", part)])


def _line(title: str, some: Iterable[Measured]) -> str:
    every = tuple(some)
    told = figures(one.ours for one in every)
    # A plain index names no drug and offers no names: an ordinary word cannot go wrong in it.
    beside = figures(one.plain for one in every if one.question.kind != "ordinary")
    return f"{title:22}{len(every):>5} | {_cells(told, 1)}  | {_cells(beside, 2)}"


def _cells(told: Figures, shown: int) -> str:
    answers = told.answers or (None,) * shown
    cells = [(told.success1, 7), (told.success3, 7), (told.wrong, 8), (told.ndcg, 8), *((one, 8) for one in answers)]
    return "".join(f"{'-' if one is None else f'{one:.3f}':>{width}}" for one, width in cells)
