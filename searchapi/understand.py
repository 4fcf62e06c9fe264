"""What a question means: which drug, which section, which dose, and the words that are left to look for. Pure.

    text -> read() -> Reading -> (the index says which doubtful words are ordinary) -> understood() -> Understanding

The drug comes first: registration, EAN, brand, active ingredient, synonym. A word that is no name and no ordinary word is taken for a
broken name and gives suggestions; it never silently becomes another drug. An invoice's line is read like a question: strengths, forms,
packs and laboratories are what they are, never names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from leaflets import Audience, Section
from leaflets.doses import doses
from leaflets.identity import eans
from leaflets.labels import Kind, Token, form_of, tokens
from leaflets.names import fold, has_stem, is_salt, key, salts_beginning
from opensearch.mapping import STOP_WORDS
from searchapi import sections
from searchapi.sections import NOTHING_ASKED, Asked
from searchapi.spelling import FEW_SLIPS, MANY_SLIPS, MOST, SLIPS, Near, Why, near
from searchapi.vocabulary import LONGEST_PHRASE, SHORTEST_JOINED, By, Drug, Substance, Vocabulary

# Words of a question that no passage answers by holding them.
_NOISE = frozenset(STOP_WORDS) | frozenset(
    """com sem ate bula remedio remedios medicamento medicamentos medicacao pode podem posso devo deve preciso quero saber informacao
    informacoes sobre qual quais quanto quanta quantos quantas quando onde porque tomar tomando toma usar usando usa uso dar fazer
    paciente pacientes profissional profissionais cliente favor produto fica ficar tenho esta estou mg ml mcg g ui vezes dia""".split()
)
_REGISTRATION = re.compile(r"(?<![\d.])1[.\s/-]?\d{4}[.\s/-]?\d{4}(?:[.\s/-]?\d{3}[-.\s/]?[\dxX])?(?!\d)")
# In one, or in the groups that are printed below the bars.
_EAN = re.compile(r"(?<!\d)(?:\d{8}(?:\d{4,6})?|\d[\s-]\d{6}[\s-]\d{6})(?!\d)")
_AUDIENCES = (
    (Audience.PROFESSIONAL, re.compile(r"\b(?:bula (?:do |de |para )?(?:o )?profissional|profissiona(?:l|is) de saude|vps)\b")),
    (Audience.PATIENT, re.compile(r"\b(?:bula (?:do |de |para )?(?:o )?paciente|vp)\b")),
)
# Behind these words stands what somebody takes anyhow, not what is asked about.
_TAKES_ALREADY = re.compile(
    r"\b(?:quem|que|paciente|cliente|pessoa|ela?|mae|pai|filh[oa]|esposa|marido|vo|avo|ja)(?: ja| esta| ta| faz| vem| so)*"
    r" (?:toma|tomando|usa|usando|uso|em uso|fazendo uso)(?: continuo| sempre)?(?: d?[eoa])?$"
)
# Ways to write one abbreviated name that are tried at most.
_MOST_WAYS = 24


@dataclass(frozen=True, slots=True)
class Doubt:
    """A word that may be a broken name, where it stands in the question, and the words of names it is near.

    `certain`: it stands for one of these names even where leaflets use the word.
    """

    word: str
    start: int
    end: int
    names: tuple[Near, ...]
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name that may have been meant, and the question with it in its place."""

    name: str
    why: Why
    query: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A question read against the vocabulary, before the index is asked anything.

    `strange`: words that are neither of the language nor of names, where no drug is known. `named_at`, `named_to`: where in the text the
    drug is named; `named`: its name and salt as typed.
    """

    text: str
    drug: Drug | None
    section: Section | None
    doses: tuple[str, ...]
    forms: tuple[str, ...]
    laboratories: tuple[str, ...]
    audience: str
    rest: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    strange: tuple[str, ...] = ()
    named_at: int = 0
    named_to: int = 0
    named: str = ""
    asked: Asked = NOTHING_ASKED


@dataclass(frozen=True, slots=True)
class Usage:
    """How the index's leaflets use the doubtful words of a question: as `ordinary` words, or as names of `drugs`."""

    ordinary: frozenset[str] = frozenset()
    drugs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Understanding:
    """What is searched for.

    `suggestions` without a drug: the drug asked for is not known and nothing is searched. With a drug: another word of the question may
    be a broken name. `laboratories` are all names of the index's laboratories that the question's words may mean; `named` is the drug's
    name as typed, where it was named.
    """

    text: str
    drug: Drug | None
    section: Section | None
    doses: tuple[str, ...]
    rest: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    forms: tuple[str, ...] = ()
    laboratories: tuple[str, ...] = ()
    audience: str = ""
    asked: Asked = NOTHING_ASKED
    named: str = ""


@dataclass(frozen=True, slots=True)
class _Mention:
    """A drug's name in the question: the tokens from `first` up to `end`."""

    drug: Drug
    first: int
    end: int
    # A name that is an ordinary word too: "cálcio", "leite".
    weak: bool


def read(text: str, names: Vocabulary) -> Reading:
    """A question's drug, section, doses, forms and laboratories, and the words that may be broken names."""
    numbered = _numbered(text, names)
    line = tuple(t for t in tokens(_EAN.sub(_blank, _REGISTRATION.sub(_blank, text)) if numbered else text))
    mentions = _mentions(line, names)
    drug = numbered or _drug(line, mentions, names)
    spent = _spent(line, mentions, drug, names)
    whose = _laboratories(line, spent, names)
    audience = next((str(audience) for audience, words in _AUDIENCES if words.search(fold(text))), "")
    left = [t for i, t in enumerate(line) if i not in spent and i not in whose.places]
    spoken = any(_spoken(t, names) for t in left)
    asked = sections.asked(" ".join(t.word for t in left if t.word not in "+/" and (spoken or t.kind not in {Kind.FORM, Kind.PACK})))
    section = asked.section
    others = [m for m in mentions if drug and not m.weak and m.first not in spent]
    if section is None and others and drug and len(drug.substances) < 2:
        section = Section.INTERACTIONS  # one drug with another, and no word on what is asked of them
    rest = _rest(_unasked(left, asked.spent), names, spoken=spoken or section is not None, named=drug is not None)
    doubts = _doubts(line, spent | whose.places, drug, names) or (() if drug else _families(left, names))
    naming = [m for m in mentions if drug and not numbered and m.first in spent]
    return Reading(
        text=text,
        drug=drug,
        section=section,
        doses=doses(text),
        forms=tuple(dict.fromkeys(t.form for t in line if t.form)),
        laboratories=whose.laboratories,
        audience=audience,
        rest=rest,
        doubts=doubts,
        strange=() if drug else tuple(t.word for t in left if t.kind is Kind.WORD and _strange(t.word, names)),
        named_at=line[naming[0].first].start if naming else 0,
        named_to=line[naming[0].end - 1].end if naming else 0,
        named=_named(text, line, spent),
        asked=asked,
    )


def understood(reading: Reading, usage: Usage, names: Vocabulary) -> Understanding:
    """The reading, its doubts settled by how leaflets use the words: ordinary ones are no broken names, names of drugs no words."""
    broken = tuple(d for d in reading.doubts if d.certain or d.word in usage.drugs or d.word not in usage.ordinary)
    drug = reading.drug
    if drug is None and not broken:
        # Leaflets that only speak of a drug are no answer to a question about it.
        unheld = next((word for word in reading.strange if word in usage.drugs or has_stem(word)), None)
        drug = Drug(unheld, By.ACTIVE_INGREDIENT) if unheld else None
    cut = _cut_combination(reading, broken, names)
    joined = () if cut else _combined(reading, broken, names)
    if joined or any(drug and doubt.end <= reading.named_at for doubt in broken):
        # The broken name came first, or is a part of what was asked: the name that we know is not the drug asked for.
        drug = None
    if cut:
        drug, broken = cut, ()
    suggestions = _best(reading.text, broken, names, joined)
    # Without a drug "pressão alta" asks what helps against it, and only a section's own words for that section.
    asks = drug or suggestions or reading.asked.spent
    return Understanding(
        text=reading.text,
        drug=drug,
        section=reading.section if asks else None,
        doses=reading.doses,
        rest=tuple(word for word in reading.rest if not (cut and word in {doubt.word for doubt in reading.doubts})),
        suggestions=suggestions,
        forms=reading.forms,
        laboratories=reading.laboratories,
        audience=reading.audience,
        asked=reading.asked,
        named=reading.named,
    )


def typed(text: str, names: Vocabulary) -> tuple[Suggestion, ...]:
    """Names for what has been typed so far: its last word may be unfinished."""
    line = tokens(text)
    if not line:
        return ()
    last = line[-1]
    doubt = Doubt(last.word, last.start, last.end, near(last.word, names.lexicon, typing=True))
    return _suggestions(text, doubt, names)[:MOST]


def names_near(text: str, strange: Collection[str], names: Vocabulary) -> tuple[Suggestion, ...]:
    """Names near some words of a question that found nothing: then a word of the language or an unfinished one may be meant for a name."""
    doubts = [Doubt(t.word, t.start, t.end, near(t.word, names.lexicon, typing=True)) for t in tokens(text) if t.word in strange]
    return _best(text, (doubt for doubt in doubts if doubt.names), names)


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


# --- names ----------------------------------------------------------------------------------------------------------------------------


def _numbered(text: str, names: Vocabulary) -> Drug | None:
    """The drug of a registration or EAN in the question. A number that the index does not hold names a drug that we do not hold."""
    registrations = [(re.sub(r"\D", "", found)[:9], found.strip()) for found in _REGISTRATION.findall(text)]
    for digits, _ in registrations:
        if digits in names.registrations:
            return Drug(names.registrations[digits], By.REGISTRATION, registration=digits)
    for found in (re.sub(r"\D", "", code) for code in _EAN.findall(text)):
        # A code that begins with 1 is a registration, even where its check digit would pass for an EAN's (one in ten does).
        if found in names.eans or (len(found) == 13 and found[0] != "1" and eans(found)):
            return Drug(names.eans.get(found, found), By.EAN, ean=found)
    return next((Drug(found, By.REGISTRATION, registration=digits) for digits, found in registrations), None)


def _mentions(line: Sequence[Token], names: Vocabulary) -> tuple[_Mention, ...]:
    """Every name in the question, the longest first wherever two begin at one word."""
    places = [i for i, token in enumerate(line) if token.kind is not Kind.JOINT]
    mentions = []
    at = 0
    while at < len(places):
        found = _mention(line, places[at : at + LONGEST_PHRASE], names)
        if found:
            mentions.append(found)
            at = next((i for i, place in enumerate(places) if place >= found.end), len(places))
        else:
            at += 1
    return tuple(mentions)


def _mention(line: Sequence[Token], places: list[int], names: Vocabulary) -> _Mention | None:
    """The longest name that begins at the first of these places: as written, its salts cut short, or with other blanks."""
    words = [re.sub("[.,]", "", line[place].word) for place in places]
    if not any(line[place].kind is Kind.WORD for place in places[:2]):
        return None
    for length in range(len(words), 0, -1):
        if all(line[place].kind is not Kind.WORD for place in places[:length]):
            continue
        drug = names.drug(" ".join(words[:length])) or _cut_short(words[:length], names)
        if drug is None and length < 4:
            drug = names.drug(names.joined.get("".join(words[:length]), "")) if sum(map(len, words[:length])) >= SHORTEST_JOINED else None
        if drug:
            return _Mention(drug, places[0], places[length - 1] + 1, weak=length == 1 and words[0] in names.ordinary)
    # "dipirona500": a name and its strength.
    letters = words[0].rstrip("0123456789")
    drug = names.drug(letters) if len(letters) >= SHORTEST_JOINED and letters != words[0] else None
    return _Mention(drug, places[0], places[0] + 1, weak=False) if drug else None


def _cut_short(words: list[str], names: Vocabulary) -> Drug | None:
    """The drug of a name whose acid, salt or vitamin is abbreviated ("ac folico", "clor sodio"), where only one is meant."""
    if not 1 < len(words) < 5 or not any(salts_beginning(word) or form_of(word) != word for word in words):
        return None
    ways = itertools.product(*(salts_beginning(word) or (form_of(word) or word,) for word in words))
    found = {drug for way in itertools.islice(ways, _MOST_WAYS) if (drug := names.drug(" ".join(way)))}
    return found.pop() if len(found) == 1 else None


def _drug(line: Sequence[Token], mentions: tuple[_Mention, ...], names: Vocabulary) -> Drug | None:
    """The drug asked for: the combination that holds all that was named, else what was named first.

    A name that is an ordinary word counts only where no other does and the question begins with it.
    """
    strong = tuple(m for m in mentions if not m.weak or _joined(line, m))
    if not strong:
        first = next((i for i, t in enumerate(line) if t.word in names.ordinary and t.kind is Kind.WORD and not _says_nothing(t.word)), -1)
        strong = tuple(m for m in mentions if m.first <= first < m.end)
        # Once one is taken at its word, so are those it is combined with: "carbonato de cálcio + vitamina D".
        strong += tuple(m for m in mentions if strong and m not in strong)
    if not strong:
        return None
    drug = _narrowest(_asked_first(line, strong), names)
    substances = tuple(dict.fromkeys(s for m in strong for s in _made_of(m.drug)))
    together = len(substances) > len(_made_of(drug)) and all(_made_of(m.drug) for m in strong)
    # "Losartana + clortalidona" of a box is that combination and nothing else, whether the index holds it or not.
    if together and (names.combination(substances) or _is_one_product(line, strong, names)):
        return Drug(" + ".join(dict.fromkeys(m.drug.name for m in strong)), drug.by, substances=substances)
    unknown = _unknown_part(line, strong)
    if unknown and _is_one_product(line, (), names):
        return Drug(f"{drug.name} + {unknown}", drug.by, substances=(*_made_of(drug), (unknown,)))
    return drug


def _asked_first(line: Sequence[Token], mentions: tuple[_Mention, ...]) -> tuple[_Mention, ...]:
    """The mentions, those that only say what somebody takes already behind the others: "quem toma varfarina pode usar ibuprofeno"."""
    taken: list[_Mention] = []
    for mention in mentions:
        before = " ".join(t.word for t in line[: mention.first])
        with_the_last = bool(taken) and all(t.kind is Kind.JOINT for t in line[taken[-1].end : mention.first])
        if _TAKES_ALREADY.search(before) or with_the_last:
            taken.append(mention)
    return tuple(sorted(mentions, key=taken.__contains__))


def _made_of(drug: Drug) -> tuple[Substance, ...]:
    """A drug's substances; a name that no source holds is its own."""
    return drug.substances or (() if drug.held else ((key(drug.name),),))


def _unknown_part(line: Sequence[Token], mentions: tuple[_Mention, ...]) -> str:
    """A part of a box's combination that is a substance by its salt and no name of the index: the calcium of "cálcio + vitamina D"."""
    told = {i for m in mentions for i in range(m.first, m.end)}
    parts = (
        [[]] if not line else [list(part) for plus, part in itertools.groupby(enumerate(line), key=lambda t: t[1].word == "+") if not plus]
    )
    salts = [[t.word for i, t in part if is_salt(t.word)] for part in parts if not any(i in told for i, _ in part)]
    return " ".join(next((words for words in salts if len(words) > 1), ()))


def _joined(line: Sequence[Token], mention: _Mention) -> bool:
    """Whether a name stands beside a "+": it is a part of a combination then, even if it is an ordinary word too."""
    beside = (mention.first - 1, mention.end)
    return any(0 <= i < len(line) and line[i].word == "+" for i in beside)


def _says_nothing(word: str) -> bool:
    return word in _NOISE or is_salt(word)


def _narrowest(mentions: tuple[_Mention, ...], names: Vocabulary) -> Drug:
    """What was named first, or the brand of it that was named beside: "insulina glargina Lantus" is Lantus."""
    first = mentions[0].drug
    brands = (m.drug for m in mentions[1:] if m.drug.by is By.BRAND and m.drug.names)
    return next((b for b in brands if first.substances and names.substances_of(b) == _keys(first)), first)


def _keys(drug: Drug) -> frozenset[str]:
    return frozenset(one for substance in drug.substances for one in substance)


def _is_one_product(line: Sequence[Token], mentions: tuple[_Mention, ...], names: Vocabulary) -> bool:
    """Whether names are told as one product: "+" or "/" between them, and no word of a caller's in the line."""
    told = {i for m in mentions for i in range(m.first, m.end)}
    between = [line[m.end].word for m in mentions[:-1] if m.end < len(line)]
    return all(word in {"+", "/"} for word in between) and not any(_spoken(t, names) for i, t in enumerate(line) if i not in told)


def _spent(line: Sequence[Token], mentions: tuple[_Mention, ...], drug: Drug | None, names: Vocabulary) -> set[int]:
    """The places of the words that name the drug, and of its salts. Another drug that was named stays: it is looked for in the text."""
    spent: set[int] = set()
    for mention in mentions:
        same = drug and drug.held and names.substances_of(mention.drug) and names.substances_of(mention.drug) <= names.substances_of(drug)
        if drug and (same or mention.drug == drug or set(_made_of(mention.drug)) & set(drug.substances)):
            spent.update(range(mention.first, mention.end))
            spent.update(_salts(line, range(mention.first - 1, -1, -1)))
            spent.update(_salts(line, range(mention.end, len(line))))
    return spent


def _named(text: str, line: Sequence[Token], spent: set[int]) -> str:
    """The name as typed, with its salt and what joins its parts: "amoxicilina + clavulanato de potássio"."""
    if not spent:
        return ""
    first, *more = [place for place in sorted(spent) if line[place].kind is not Kind.JOINT]
    last = first
    for place in more:
        if any(token.kind is not Kind.JOINT for token in line[last + 1 : place]):
            break
        last = place
    return text[line[first].start : line[last].end]


def _salts(line: Sequence[Token], places: range) -> Iterator[int]:
    """The places of salts, whole or cut short, that follow one another from a name outward, and of what joins them."""
    joints: list[int] = []
    for place in places:
        token = line[place]
        if token.kind is Kind.JOINT and token.word in {"de", "do", "da"}:
            joints.append(place)  # "cloridrato de metformina"; but "metformina da sono" asks whether it does
        elif is_salt(token.word) or salts_beginning(token.word):
            yield from (*joints, place)
            joints = []
        else:
            return


@dataclass(frozen=True, slots=True)
class _Whose:
    """The laboratories that the question names, and where."""

    laboratories: tuple[str, ...]
    places: frozenset[int]


def _laboratories(line: Sequence[Token], spent: set[int], names: Vocabulary) -> _Whose:
    """A laboratory called by a word that is none of the language's: nobody means União Química by "união"."""
    places = {
        i: names.laboratories[token.word]
        for i, token in enumerate(line)
        if i not in spent and token.kind is Kind.WORD and token.word in names.laboratories and token.word not in names.ordinary
    }
    return _Whose(tuple(dict.fromkeys(one for found in places.values() for one in found)), frozenset(places))


# --- what is left ---------------------------------------------------------------------------------------------------------------------


def _unasked(left: list[Token], spent: tuple[str, ...]) -> list[Token]:
    """The words that did not only ask for the section."""
    unasked = list(left)
    for word in spent:
        unasked.remove(next(token for token in unasked if token.word == word))
    return unasked


def _spoken(token: Token, names: Vocabulary) -> bool:
    """Whether a word is a caller's: an invoice's line has none of the language but its joints."""
    return token.kind is Kind.WORD and token.word in names.ordinary and token.word not in STOP_WORDS and not is_salt(token.word)


def _rest(left: list[Token], names: Vocabulary, *, spoken: bool, named: bool) -> tuple[str, ...]:
    """The words to look for: none of strengths and packs, and of an invoice's line no count or form either."""
    kept = []
    # "Levotiroxina com cálcio" asks of calcium; "carbonato de lítio" does not ask of carbonates.
    of_the_name = [
        named and not spoken and is_salt(t.word) and before.word != "com" for before, t in zip([*left[:1], *left], left, strict=False)
    ]
    for token, after, is_name in itertools.zip_longest(left, left[1:], of_the_name):
        if token.kind in {Kind.JOINT, Kind.UNIT} or token.word in _NOISE or is_name:
            continue
        if token.kind is Kind.NUMBER and not (spoken and after and (after.kind is Kind.WORD and after.word in names.ordinary)):
            continue
        if token.kind in {Kind.FORM, Kind.PACK} and not (spoken and token.word in names.ordinary):
            continue
        kept.append(token.word)
    return tuple(kept)


# --- broken names ---------------------------------------------------------------------------------------------------------------------


def _doubts(line: Sequence[Token], known: set[int] | frozenset[int], drug: Drug | None, names: Vocabulary) -> tuple[Doubt, ...]:
    """The words that are neither name, label nor word of the language, and near a name. Two of them may be one name parted by a blank."""
    unknown = [i for i, t in enumerate(line) if i not in known and t.kind is Kind.WORD]
    strange = [i for i in unknown if _strange(line[i].word, names)]
    # Behind a name that we know, a word may only be one that we do not; before it or joined to it, it is a name.
    slips_alone = SLIPS if any(_spoken(t, names) for t in line) else MANY_SLIPS
    after_name = min((i for i in known if drug and line[i].kind is Kind.WORD), default=len(line))
    doubts = []
    for i in strange:
        token, after = line[i], line[i + 1] if i + 1 in strange else None
        slips = FEW_SLIPS if i > after_name and line[i - 1].word not in {"+", "/"} else slips_alone
        found = near(token.word, names.lexicon, slips=slips)
        both = near(token.word + after.word, names.lexicon, slips=slips) if after else ()
        if after and both and (not found or both[0].cost < found[0].cost):
            doubts.append(Doubt(token.word + after.word, token.start, after.end, both))
        elif found:
            doubts.append(Doubt(token.word, token.start, token.end, found, certain=found[0].close or has_stem(token.word)))
    if len(unknown) == 1 and not strange and not drug:
        # A word of the language, alone, that sounds like a name: "anita" may be Annita.
        token = line[unknown[0]]
        heard = tuple(one for one in near(token.word, names.lexicon) if one.why is Why.PHONETIC)
        doubts += [Doubt(token.word, token.start, token.end, heard)] if heard else []
    return tuple(doubts)


# Kinds of drugs that are never meant otherwise: a leaflet that only speaks of insulin is no answer to a question about one.
_KINDS_OF_DRUGS = frozenset({"insulina", "vacina"})


def _families(left: Sequence[Token], names: Vocabulary) -> tuple[Doubt, ...]:
    """A word that begins many names and is none ("insulina", "ácido"), where it is all that was said: which of them?"""
    words = [t for t in left if t.kind is Kind.WORD]
    word = next((t for t in words if t.word in names.families and (len(words) == 1 or t.word in _KINDS_OF_DRUGS)), None)
    if word is None:
        return ()
    found = tuple(Near(name, Why.PREFIX, float(place)) for place, name in enumerate(names.families[word.word][:MOST]))
    return (Doubt(word.word, word.start, word.end, found, certain=True),)


def _strange(word: str, names: Vocabulary) -> bool:
    return not (word in _NOISE or word in names.ordinary or is_salt(word) or word in names.laboratories or salts_beginning(word))


def _suggestions(text: str, doubt: Doubt, names: Vocabulary) -> tuple[Suggestion, ...]:
    """The names that the doubtful word is near, each once, with the question that has the name in its place.

    A name of several words stands also for those of them that are there already: "acido folicco" is not "ácido ácido fólico".
    """
    found: dict[object, Suggestion] = {}
    there = tuple(tokens(text))
    for one in doubt.names:
        phrase = _fitting(one.word, there, names)
        name = names.name_of(phrase)
        start, end = _span(doubt, there, phrase)
        # "Ciprofloxacina" beside "ciprofloxacino" would be one choice less.
        drug = names.drugs[phrase]
        same = (drug.names, drug.substances) if drug.held else name
        found.setdefault(same, Suggestion(name, one.why, text[:start] + name + text[end:]))
    return tuple(found.values())


def _best(text: str, doubts: Iterable[Doubt], names: Vocabulary, joined: tuple[Suggestion, ...] = ()) -> tuple[Suggestion, ...]:
    """The names that doubtful words are near, those that join two first; of several words the one nearest to a name first."""
    likeliest = sorted(doubts, key=lambda doubt: doubt.names[0].cost)
    found: dict[str, Suggestion] = {}
    for suggestion in (*joined, *(one for doubt in likeliest for one in _suggestions(text, doubt, names))):
        found.setdefault(suggestion.name, suggestion)
    return tuple(found.values())[:MOST]


def _fitting(word: str, there: Sequence[Token], names: Vocabulary) -> str:
    """Of the names that hold a word, the one that shares most other words with the question; else the shortest."""
    words = {token.word for token in there}
    return max(names.phrases_with.get(word, (word,)), key=lambda phrase: len(words & (set(phrase.split()) - {word})))


def _span(doubt: Doubt, there: Sequence[Token], phrase: str) -> tuple[int, int]:
    """The part of the text that a name replaces: the doubtful word and the words of the name right beside it."""
    start, end = doubt.start, doubt.end
    words = phrase.split()
    for token in reversed(there):
        if token.end <= start and (token.word in words or set(salts_beginning(token.word)) & set(words)):
            start = token.start
        elif token.end <= start and token.kind is not Kind.JOINT:
            break
    for token in there:
        if token.start >= end and token.word in words:
            end = token.end
        elif token.start >= end and token.kind is not Kind.JOINT:
            break
    return start, end


def _combined(reading: Reading, broken: tuple[Doubt, ...], names: Vocabulary) -> tuple[Suggestion, ...]:
    """The combination that a broken name makes with another name of the question, broken or whole: "amoxi + clavulonato"."""
    if not broken:
        return ()
    partners = [doubt.names for doubt in broken[:2]]
    known = [reading.drug] if reading.drug and reading.drug.substances else []
    for way in itertools.product(*partners):
        drugs = [*known, *(_alone(one.word, names) for one in way)]
        substances = [s for drug in drugs for s in drug.substances]
        alone = len(drugs) > 1 and all(len(drug.substances) == 1 for drug in drugs) and len(set(substances)) == len(drugs)
        if alone and names.combination(substances) and not _spoken_between(reading, broken):
            if known and broken[0].start < reading.named_at:
                drugs = [*drugs[1:], drugs[0]]
            name = " + ".join(names.substance(one) for drug in drugs for one in drug.substances)
            start = min(reading.named_at if known else broken[0].start, broken[0].start)
            end = max(reading.named_to if known else 0, broken[min(len(broken), 2) - 1].end)
            return (Suggestion(name, way[0].why, reading.text[:start] + name + reading.text[end:]),)
    return ()


def _cut_combination(reading: Reading, broken: tuple[Doubt, ...], names: Vocabulary) -> Drug | None:
    """The one combination whose names an invoice cut short ("LEVOD+CARBID"), each by its beginning.

    One name cut short may be another's beginning, and is only offered; two that agree in one product, joined by a "+", may not.
    """
    if not broken or len(broken) > 2 or not re.search(r"[+/]", reading.text) or reading.section or _spoken_between(reading, broken):
        return None
    known = [reading.drug] if reading.drug and reading.drug.substances else []
    found: dict[frozenset[Substance], Drug] = {}
    for way in itertools.product(*([one for one in doubt.names if one.why is Why.PREFIX] for doubt in broken)):
        drugs = [*known, *(_alone(one.word, names) for one in way)]
        substances = tuple(s for drug in drugs for s in drug.substances)
        if len(drugs) > 1 and len(set(substances)) == len(drugs) and names.combination(substances):
            name = " + ".join(names.substance(one) for one in substances)
            found[frozenset(substances)] = Drug(name, By.ACTIVE_INGREDIENT, substances=substances)
    return next(iter(found.values())) if len(found) == 1 else None


def _alone(word: str, names: Vocabulary) -> Drug:
    """The drug that a word of names stands for: a substance rather than a combination that holds it."""
    drugs = [names.drugs[phrase] for phrase in names.phrases_with.get(word, (word,))]
    return next((drug for drug in drugs if len(drug.substances) == 1), drugs[0])


def _spoken_between(reading: Reading, broken: tuple[Doubt, ...]) -> bool:
    """Whether words stand between the names: "posso tomar amoxicilina se uso clavulonato" asks of two drugs."""
    start = min(reading.named_at if reading.drug else broken[0].start, broken[0].start)
    between = tokens(reading.text[start : broken[-1].end])
    return any(t.kind is Kind.WORD and t.word in _NOISE for t in between) or reading.section is Section.INTERACTIONS
