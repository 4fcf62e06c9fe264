"""Synonyms of names and of lay words, read from synonyms.txt and linted.

    [names]                     # what follows names drugs
    rivotril => clonazepam      # a brand finds its substance; the substance does not become the brand
    dipirona = metamizol        # one substance by two names: who writes it vouches for it
    [words]                     # what follows are other words
    febre, pirexia              # either finds the other

A rule's words are compared folded. Every complaint says which line, what is wrong and how to mend it. That no rule joins two drugs that
an index holds is for :mod:`opensearch.joined` to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from leaflets.labels import phrase
from leaflets.names import key, phonetic_keys

FILE = Path(__file__).with_name("synonyms.txt")
_PARTS = ("[names]", "[words]")


class SynonymsRejected(Exception):
    """The synonyms file has faults; nothing was changed. Mend the lines named in the text."""


@dataclass(frozen=True)
class Rule:
    """One line: `left` finds `right`; where `both_ways`, any of them finds all. `of_names`: they name drugs, `one_substance`: the same."""

    line: int
    of_names: bool
    left: tuple[str, ...]
    right: tuple[str, ...]
    both_ways: bool
    one_substance: bool = False

    @property
    def phrases(self) -> tuple[str, ...]:
        """All that the line names, each once."""
        return tuple(dict.fromkeys(self.left + self.right))


@dataclass(frozen=True)
class Synonyms:
    """A linted set of rules, and the file that they stand in."""

    rules: tuple[Rule, ...]
    file: Path = FILE

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The rules as OpenSearch's synonym filter reads them, folded; a one-way rule keeps the word that was typed."""
        return tuple(
            ", ".join(rule.left) if rule.both_ways else f"{', '.join(rule.left)} => {', '.join(dict.fromkeys(rule.left + rule.right))}"
            for rule in self.rules
        )

    @cached_property
    def version(self) -> str:
        """Changes with any rule."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:12]

    @cached_property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """From the folded name of a drug to the others that it may stand for."""
        return {word: tuple(other for other in rule.right if other != word) for rule in self.rules if rule.of_names for word in rule.left}

    @cached_property
    def phrases(self) -> Mapping[str, tuple[str, ...]]:
        """From each phrase that a line is looked up by to all that the line names."""
        return {phrase: rule.phrases for rule in self.rules for phrase in rule.left}

    @cached_property
    def _vouched(self) -> Mapping[str, str]:
        return {phrase(word): phrase(rule.left[0]) for rule in self.rules if rule.one_substance for word in rule.left}

    def substance(self, name: str) -> str:
        """What all names of one substance share, those that a rule vouches for among them."""
        words = _phrase(name)
        return one_spelling(self._vouched.get(words, words))

    def without(self, lines: Collection[int]) -> Synonyms:
        """The rules but those of these lines."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.line not in lines))


# How fast a form gives its substance, which some ERPs write beside it ("metformina XR").
_RELEASES = frozenset("cr er lp mr od retard sr xr".split())


@lru_cache(maxsize=100_000)
def _phrase(name: str) -> str:
    return phrase(name)


@lru_cache(maxsize=100_000)
def one_spelling(substance: str) -> str:
    """What the spellings of one substance share: those that sound alike ("acyclovir"), or end otherwise ("ciprofloxacina").

    Of 1,421 substances registered with ANVISA it takes no two for one: "rifamicina" stays apart from "rifampicina".
    """
    return " ".join(_spelling(word) for word in substance.split() if word not in _RELEASES)


def _spelling(word: str) -> str:
    sound = (phonetic_keys(word) or (word,))[0]
    return re.sub("[aeo]$", "", sound).replace("m", "n")


def synonyms(path: Path = FILE) -> Synonyms:
    """The synonyms of a file; raises SynonymsRejected with every fault found in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read as UTF-8 text ({error})"
        raise SynonymsRejected(message) from error
    rules: list[Rule] = []
    faults: list[str] = []
    part = ""
    for number, line in enumerate(text.splitlines(), start=1):
        rule_text = line.split("#", 1)[0].strip()
        if rule_text in _PARTS:
            part = rule_text
        elif rule_text and not part:
            faults.append(f"line {number} stands before any heading: write [names] or [words] above it")
        elif rule_text:
            found = _rule(number, rule_text, of_names=part == "[names]")
            if isinstance(found, Rule):
                rules.append(found)
            else:
                faults.append(found)
    faults += _repeated(rules) + _cycles(rules) + _both(rules)
    if faults:
        raise SynonymsRejected(f"{path.name}: " + "; ".join(faults))
    return Synonyms(tuple(rules), path)


def _rule(number: int, text: str, *, of_names: bool) -> Rule | str:
    """The rule of one line, or what is wrong with it."""
    sides = text.split("=>")
    if len(sides) > 2:
        return f"line {number} has more than one '=>': write one rule a line"
    both_ways, one_substance = len(sides) == 1, len(sides) == 1 and "=" in text
    phrases = [tuple(key(one) for one in side.split("=" if one_substance else ",")) for side in sides]
    fault = ""
    if one_substance and not (of_names and "," not in text):
        fault = "writes '=', which joins names of one substance, and nothing else, under [names]: write a comma, or a line for each"
    elif not all(all(side) for side in phrases):
        fault = "has an empty side or an empty place between commas: write a word there or take the comma out"
    elif both_ways and len(phrases[0]) < 2:
        fault = "names one word alone: add what it is a synonym of, after a comma or '=>'"
    elif any(len(set(side)) < len(side) for side in phrases) or (not both_ways and set(phrases[0]) & set(phrases[1])):
        fault = "names the same word twice (accents and capitals do not count): keep one of them"
    if fault:
        return f"line {number} {fault}"
    return Rule(number, of_names, phrases[0], phrases[-1], both_ways, one_substance)


def _repeated(rules: list[Rule]) -> list[str]:
    """A word may start one rule only: two would each hold half of what is meant."""
    first: dict[str, int] = {}
    faults = []
    for rule in rules:
        for word in rule.left:
            if word in first:
                faults.append(f"line {rule.line}: '{word}' already stands in line {first[word]}: join the two lines")
            first.setdefault(word, rule.line)
    return faults


def _both(rules: list[Rule]) -> list[str]:
    """A word of [words] names no drug: whoever says it would be shown that drug."""
    naming = {word: rule.line for rule in reversed(rules) if rule.of_names for word in rule.phrases}
    return [
        f"line {rule.line}: '{word}' names a drug in line {naming[word]}, so it cannot be another word: take it out of one of them"
        for rule in rules
        if not rule.of_names
        for word in rule.phrases
        if word in naming
    ]


def _cycles(rules: list[Rule]) -> list[str]:
    """One-way rules must end somewhere: a => b with b => a is a two-way rule written badly."""
    leads = {word: rule for rule in rules if not rule.both_ways for word in rule.left}
    faults = []
    for start, rule in leads.items():
        seen, waiting = {start}, list(rule.right)
        while waiting:
            word = waiting.pop()
            if word == start:
                faults.append(f"line {rule.line}: '{start}' leads back to itself: write 'a, b' if each may stand for the other")
                break
            if word in leads and word not in seen:
                seen.add(word)
                waiting += leads[word].right
    return faults
