"""Which sentences of a leaflet to show: whole ones, around what was asked for, best first. Pure.

    sections with marks -> sentences -> worth of each -> the best up to a length, each with the line that it needs -> Shown

Text comes with found words between two mark characters and leaves as HTML: escaped, with `<mark>` alone as markup.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from leaflets import Section
from leaflets.names import fold
from searchapi.sentences import MARK_END, MARK_START, Sentence, Sentences, sentences
from searchapi.sought import EVERYDAY, Asks, Sought, Thing, begins

_MARKED = re.compile(f"{MARK_START}([^{MARK_END}]*){MARK_END}")
_PAIR = re.compile(f"{MARK_START}([^{MARK_START}{MARK_END}]*){MARK_END}")
# How much a sentence is worth for words that stand not in it but in what it depends on.
IN_ITS_HEADING = 0.9
IN_ITS_OPENER = 0.8
IN_ITS_PARAGRAPH = 0.5
BESIDE_IT = 0.3
# A sentence of the kind that was asked for (numbers, times, yes or no); a heading, which says nothing itself; one of every leaflet.
KIND = 0.25
HEADING = 0.5
EVERYWHERE = 0.4
# What a sentence of the section that leads is worth without a word that is sought, where only hints are sought.
LEADING = 0.5
# How much less a section counts than the one before it of those that may answer; and one that was not asked for.
SECTION_AFTER = 0.1
SECTION_BESIDES = 0.5
# Worth less than this part of the best: room is better used for what follows the best.
LEAST = 0.5
MOST_SECTIONS = 2
# Characters.
LONGEST_OPENER = 320
_BETWEEN = " … "
# Where a sentence too long to be shown whole may be cut: not between a number and its unit, nor between two numbers.
_BLANK = re.compile(r"(?<!\d) (?!\d)")
_CLAUSE_ENDS = re.compile(r"(?<=[;,:]) (?!\d)")
# Where a word stands there and nowhere else, nothing is told that was asked: a drug for cancer may or may not cause it.
_SAY_LITTLE = frozenset((Section.INDICATIONS, Section.MECHANISM, Section.EFFICACY, Section.IDENTIFICATION, Section.LEGAL))
# Of equal sentences of two sections the first is shown: those that say little come last, others as a leaflet has them.
_IN_ORDER = tuple(sorted(Section, key=_SAY_LITTLE.__contains__))

_NUMBER_WORD = "(?:um|dois|tr[êe]s|quatro|cinco|seis|sete|oito|dez|doze)"
_KINDS = {
    Asks.NUMBER: re.compile(
        r"\d+(?:[.,]\d+)*\s*(?:mg|mcg|g\b|ml|ui\b|%|gotas?|comprimidos?|c[áa]psulas?|vezes|doses?|anos|kg|jatos?|°|º)", re.IGNORECASE
    ),
    Asks.TIME: re.compile(
        rf"(?:\d+\)?|\b{_NUMBER_WORD})\s*(?:\([^)]*\)\s*)?(?:a \d+ )?(?:dias?|horas?|h\b|minutos?|m[êe]s(?:es)?|semanas?|anos?)\b|imediat",
        re.IGNORECASE,
    ),
    Asks.WHETHER: re.compile(
        "n[ãa]o (?:deve|pode|use|utilize|tome|é recomenda|há|foi|é necess|se recomenda|são|existe)|contra-?indicad|recomenda|evit|somente"
        "|cautela|orientação médica|pode(?:m|r[áa])? ser (?:usad|utilizad|administrad|tomad|ingerid)",
        re.IGNORECASE,
    ),
}
# What RDC 47/2009 and RDC 768/2022 put into every leaflet, by its beginnings, folded: it answers nothing that was asked.
_EVERYWHERE = re.compile(
    "siga (?:corretamente )?(?:a orientacao|o modo)|nao interrompa o tratamento sem|informe tambem|ligue para 0800|nao use medicamento"
    "|informe (?:ao? |a )?(?:seu )?(?:medico|empresa)[^.]{0,60}(?:aparecimento|atraves|fazendo uso)|pode ser perigoso|nao desaparecendo"
    "|em caso de (?:uso de grande quantidade|duvidas|intoxicacao ligue)|em casos de eventos adversos, notifique|antes de usar, observe"
    "|caso ele esteja no prazo|todo medicamento deve|numero de lote|guarde-o em sua embalagem"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage of one section, as safe HTML."""

    section: Section
    html: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a leaflet says to a question, the best passage first, and the things asked about that it does not state."""

    shown: tuple[Shown, ...]
    not_stated: tuple[Thing, ...]


NOTHING_SHOWN = Answered((), ())


class _Place(NamedTuple):
    """One sentence of one section. Hashed often, which a tuple does fastest."""

    section: Section
    at: int


def answered(
    told: Mapping[Section, str], sought: Sought, leading: tuple[Section, ...], most: int, near: frozenset[str] = frozenset()
) -> Answered:
    """What some sections of a leaflet answer: at most `most` characters together.

    `told` are the sections in which words were found, with their marks, and those that lead. `near`: the things (their `name`) that the
    leaflet has words like, though none was marked.
    """
    told = {section: told[section] for section in dict.fromkeys((*(leading or (Section.INDICATIONS,)), *_IN_ORDER)) if section in told}
    found = _marks(told, sought)
    silent = tuple(
        thing for i, thing in enumerate(sought.things) if thing.must_be_stated and not _stated(i, told, found, sought, leading, near)
    )
    candidates = _candidates(told, found, leading)
    weights = _weights(told, found, sought)
    anything = any(sought.things[thing].weight > EVERYDAY for section in candidates for thing in found.get(section, ()))
    # Where there are only hints, what leads may answer in words of its own.
    base = LEADING * max(weights, default=0.0) if all(thing.weight < 1 for thing in sought.things) else 0.0
    split = {section: sentences(told[section]) for section in candidates}
    worth: dict[_Place, float] = {}
    once: set[tuple[str, ...]] = set()
    for section, prior in candidates.items():
        own = base if section in leading[:1] else 0.0
        for at, value in _worth(split[section], sought, weights, own if anything else 1.0).items():
            # Files that hold a leaflet for each strength say all things several times.
            said = split[section].told[at].said
            if said not in once:
                worth[_Place(section, at)] = value * prior
            once.add(said)
    return Answered(_shown(split, _chosen(split, worth, most), most), silent)


def as_html(marked: str) -> str:
    """A whole text as safe HTML."""
    told = _PAIR.sub(r"<mark>\1</mark>", html.escape(marked, quote=True))
    # One whose other half stood in what was cut away marks nothing.
    return told.replace(MARK_START, "").replace(MARK_END, "")


def _marks(told: Mapping[Section, str], sought: Sought) -> dict[Section, Counter[int]]:
    """How often each thing is marked in each section that holds any."""
    found = {}
    for section, text in told.items():
        there: Counter[int] = Counter()
        for word, times in Counter(_MARKED.findall(text)).items():
            for found_for in sought.marked_for(word):
                there[found_for.thing] += times
        if there:
            found[section] = there
    return found


def _stated(
    thing: int,
    told: Mapping[Section, str],
    found: Mapping[Section, Counter[int]],
    sought: Sought,
    leading: tuple[Section, ...],
    near: frozenset[str],
) -> bool:
    """Whether the leaflet holds a thing where it would tell of it; a phrase is held by a line that has all of it."""
    asked = sought.things[thing]
    marked = [section for section, there in found.items() if there[thing]]
    where = [section for section in marked if not leading or section in leading or section not in _SAY_LITTLE]
    lines = (line for section in where for line in (told[section].split("\n") if len(asked.words) > 1 else (told[section],)))
    if any(sought.shares(_MARKED.findall(line)).get(thing, 0.0) == 1.0 for line in lines):
        return True
    if asked.name not in near:
        return False
    # Words like it stand somewhere in the leaflet. Where it was marked that may be there, so the others are looked through.
    return not marked or any(_begun(asked, text) for section, text in told.items() if section not in (*marked, *_SAY_LITTLE))


def _begun(thing: Thing, text: str) -> bool:
    """Whether a text has words that begin as all words of a thing."""
    plain = fold(text)
    patterns = (re.escape(beginning) if (beginning := begins(word)) else rf"{re.escape(word)}s?\b" for word in thing.words)
    return all(re.search(rf"\b{pattern}", plain) for pattern in patterns)


def _candidates(told: Mapping[Section, str], found: Mapping[Section, Counter[int]], leading: tuple[Section, ...]) -> dict[Section, float]:
    """The sections that a passage may come from, and how much each one's sentences count."""
    priors = {section: max(1 - SECTION_AFTER * i, SECTION_BESIDES) for i, section in enumerate(leading) if section in told}
    if not leading:
        return dict.fromkeys(found or [section for section in told if section is Section.INDICATIONS], 1.0)
    for section in found:
        if section not in _SAY_LITTLE:
            priors.setdefault(section, SECTION_BESIDES)
    if not any(section in found for section in priors):
        return dict(list(priors.items())[:1])
    return {section: prior for i, (section, prior) in enumerate(priors.items()) if i == 0 or section in found}


def _weights(told: Mapping[Section, str], found: Mapping[Section, Counter[int]], sought: Sought) -> tuple[float, ...]:
    """How much each thing counts: the rarer in this leaflet, the more it tells."""
    sentences_in_all = sum(len(text) for text in told.values()) / 100
    often = sum(found.values(), Counter[int]())
    return tuple(thing.weight * math.log(1 + sentences_in_all / (1 + often[i])) for i, thing in enumerate(sought.things))


def _worth(section: Sentences, sought: Sought, weights: tuple[float, ...], base: float) -> dict[int, float]:
    """What the sentences of a section are worth, by their places, but for those that are worth nothing.

    `base` is what the first one is worth without a word that is sought, the others less.
    """
    own = {at: shares for at, text in section.marked.items() if (shares := sought.shares(_MARKED.findall(text)))}
    near = _near(section.told, own)
    worth = {}
    for at in range(len(section.told)) if base else near:
        value = base and base / (1 + at / 20)
        if at in near:
            share = dict(own.get(at, {}))
            for where, part in _depends_on(section.told, at):
                for thing, told_there in own.get(where, {}).items():
                    share[thing] = max(share.get(thing, 0.0), part * told_there)
            value += sum(weights[thing] * part for thing, part in share.items())
        if value:
            worth[at] = value * _kind(section.told, at, sought.asks)
    return worth


def _near(told: tuple[Sentence, ...], own: Collection[int]) -> dict[int, None]:
    """The places of some sentences, of their neighbours, and of those that depend on one of them, in their order."""
    if not own:
        return {}
    beside = {at + by for at in own for by in (-1, 0, 1)}
    return {at: None for at, one in enumerate(told) if at in beside or one.heading in own or one.opener in own or one.paragraph in own}


def _kind(told: tuple[Sentence, ...], at: int, asks: frozenset[Asks]) -> float:
    """How much more, or less, a sentence is worth for what kind it is; an item of "Não use se tiver:" says whether."""
    sentence = told[at]
    kinds = _kinds(sentence.text)
    if sentence.opener is not None:
        kinds |= _kinds(told[sentence.opener].text)
    factor = 1 + KIND * len(asks & kinds)
    if sentence.is_heading:
        factor *= HEADING
    if _stands_everywhere(sentence.text[:120]):
        factor *= EVERYWHERE
    return factor


@lru_cache(maxsize=20_000)
def _kinds(sentence: str) -> frozenset[Asks]:
    """What kinds of answer a sentence may be."""
    return frozenset(asks for asks, pattern in _KINDS.items() if pattern.search(sentence))


@lru_cache(maxsize=10_000)
def _stands_everywhere(beginning: str) -> bool:
    """Whether a sentence that begins so is one of every leaflet's; its letters are folded, which takes a while, once for all questions."""
    return bool(_EVERYWHERE.match(fold(beginning)))


def _depends_on(told: tuple[Sentence, ...], at: int) -> list[tuple[int, float]]:
    sentence = told[at]
    places = []
    if sentence.heading is not None:
        places.append((sentence.heading, IN_ITS_HEADING * 0.85 ** (at - sentence.heading - 1)))
    if sentence.opener is not None:
        places.append((sentence.opener, IN_ITS_OPENER))
    if sentence.paragraph < at:
        places.append((sentence.paragraph, IN_ITS_PARAGRAPH))
    if sentence.before == " ":
        places.append((at - 1, BESIDE_IT))
    if at + 1 < len(told) and told[at + 1].before == " ":
        places.append((at + 1, BESIDE_IT))
    return places


def _chosen(split: Mapping[Section, Sentences], worth: Mapping[_Place, float], most: int) -> list[_Place]:
    """The sentences to show, best first: the best and what they depend on, then what follows them, then whatever else is worth it."""
    ranked = sorted(worth, key=lambda place: -worth[place])
    if not ranked:
        return []
    good = [place for place in ranked if worth[place] > LEAST * worth[ranked[0]]]
    chosen: dict[_Place, None] = {}
    room = _added(split, chosen, good, most, apart=True)
    after = [place for place in good if place in chosen]
    room = _filled(split, chosen, after, room, beyond_headings=False)
    room = _added(split, chosen, ranked[len(good) :], room, apart=False)
    _filled(split, chosen, after, room, beyond_headings=True)
    return list(chosen)


def _added(split: Mapping[Section, Sentences], chosen: dict[_Place, None], ranked: Sequence[_Place], room: int, *, apart: bool) -> int:
    """Adds what fits of some sentences, each with those that it depends on; tells what room is left. The very first is always added.

    `apart`: one in which nothing was found may stand apart from those chosen, in their sections. Otherwise it is worth something for what
    stands beside it, which was too long to be shown: "Agranulocitose.", without the dose that it does not depend on.
    """
    shown = {one.section for one in chosen}
    for place in ranked:
        told = split[place.section].told
        if place.section not in shown and len(shown) == MOST_SECTIONS:
            continue
        if chosen and place not in chosen and told[place.at].length >= room:
            continue  # too long by itself
        group = [one for one in (*_needed(told, place), place) if one not in chosen]
        if chosen and not (apart and place.section in shown) and not _tells(split, chosen, group):
            continue
        length = sum(_length(split, chosen, one) for one in group)
        if length <= room:
            chosen.update(dict.fromkeys(group))
            shown.add(place.section)
            room -= length
        elif not chosen:
            chosen[place] = None
            shown.add(place.section)
            room -= told[place.at].length
    return room


def _tells(split: Mapping[Section, Sentences], chosen: Collection[_Place], group: Iterable[_Place]) -> bool:
    """Whether something was found in one of some sentences, or it stands beside one chosen."""
    return any(one.at in split[one.section].marked or _joined(chosen, one) for one in group)


def _joined(chosen: Collection[_Place], place: _Place) -> bool:
    return _Place(place.section, place.at - 1) in chosen or _Place(place.section, place.at + 1) in chosen


def _length(split: Mapping[Section, Sentences], chosen: Collection[_Place], place: _Place) -> int:
    """The room that a sentence takes beside those chosen."""
    return split[place.section].told[place.at].length + (1 if not chosen or _joined(chosen, place) else len(_BETWEEN))


def _needed(told: tuple[Sentence, ...], place: _Place) -> list[_Place]:
    """The short lines without which a sentence says too little: what opens its list, what heads it."""
    sentence = told[place.at]
    return [_Place(place.section, at) for at in (sentence.heading, sentence.opener) if at is not None and told[at].length <= LONGEST_OPENER]


def _filled(
    split: Mapping[Section, Sentences], chosen: dict[_Place, None], after: Sequence[_Place], room: int, *, beyond_headings: bool
) -> int:
    """Fills the room with what follows some chosen sentences, the best first; tells what room is left."""
    shown = {split[place.section].told[place.at].said for place in chosen}
    for start in after:
        told = split[start.section].told
        at = start.at + 1
        while at < len(told) and told[at].length + 1 <= room:
            place = _Place(start.section, at)
            if place not in chosen:
                if told[at].said in shown or (told[at].is_heading and not beyond_headings):
                    break
                chosen[place] = None
                room -= told[at].length + 1
            at += 1
    return room


def _shown(split: Mapping[Section, Sentences], chosen: list[_Place], most: int) -> tuple[Shown, ...]:
    """The chosen sentences by section, in runs of neighbours."""
    shown = []
    for section in dict.fromkeys(place.section for place in chosen):
        here = split[section]
        order = [place.at for place in chosen if place.section is section]
        runs: list[list[int]] = []
        for at in sorted(order):
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])
        runs.sort(key=lambda run: min(order.index(at) for at in run))
        parts = [_cut("".join((here.told[at].before if i else "") + here.text(at) for i, at in enumerate(run)), most) for run in runs]
        text = _BETWEEN.join(parts)
        before = "… " if runs[0][0] else ""
        after = "" if runs[-1][-1] == len(here.told) - 1 else " …"
        shown.append(Shown(section, before + as_html(text) + after))
    return tuple(shown)


def _cut(shown: str, most: int) -> str:
    """About `most` characters around the first found word, cut between clauses, else between words; never inside a number and its unit."""
    if len(shown) <= most + 2 * shown.count(MARK_START):
        return shown
    found = max(shown.find(MARK_START), 0)
    start = 0 if found < most * 2 // 3 else _last(_CLAUSE_ENDS, shown, found - most // 2, found) or _last(_BLANK, shown, 0, found)
    end = _last(_BLANK, shown, start + 1, start + most) or len(shown)
    return ("… " if start else "") + shown[start:end].strip()


def _last(pattern: re.Pattern[str], shown: str, start: int, end: int) -> int:
    """The last place between two where a text may be cut, outside marks; 0 where there is none."""
    places = [m.start() for m in pattern.finditer(shown, start, end)]
    return next((at for at in reversed(places) if shown.rfind(MARK_START, 0, at) <= shown.rfind(MARK_END, 0, at)), 0)
