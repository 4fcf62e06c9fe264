"""Synonyms of names and of lay words, read from synonyms.txt and linted.

    [names]                     # what follows names drugs
    rivotril => clonazepam      # a brand finds its substance; the substance does not become the brand
    [words]                     # what follows are other words
    febre, pirexia              # either finds the other

A rule's words are compared folded. Every complaint says which line, what is wrong and how to mend it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from leaflets.names import key

FILE = Path(__file__).with_name("synonyms.txt")
_PARTS = ("[names]", "[words]")


class SynonymsRejected(Exception):
    """The synonyms file has faults; nothing was changed. Mend the lines named in the text."""


@dataclass(frozen=True)
class Rule:
    """One line: `left` finds `right`; where `both_ways`, any of them finds all. `of_names`: they name drugs."""

    line: int
    of_names: bool
    left: tuple[str, ...]
    right: tuple[str, ...]
    both_ways: bool


@dataclass(frozen=True)
class Synonyms:
    """A linted set of rules."""

    rules: tuple[Rule, ...]

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
    faults += _repeated(rules) + _cycles(rules)
    if faults:
        raise SynonymsRejected(f"{path.name}: " + "; ".join(faults))
    return Synonyms(tuple(rules))


def _rule(number: int, text: str, *, of_names: bool) -> Rule | str:
    """The rule of one line, or what is wrong with it."""
    sides = text.split("=>")
    if len(sides) > 2:
        return f"line {number} has more than one '=>': write one rule a line"
    phrases = [tuple(key(phrase) for phrase in side.split(",")) for side in sides]
    if not all(all(side) for side in phrases):
        return f"line {number} has an empty side or an empty place between commas: write a word there or take the comma out"
    both_ways = len(sides) == 1
    if both_ways and len(phrases[0]) < 2:
        return f"line {number} names one word alone: add what it is a synonym of, after a comma or '=>'"
    if both_ways:
        repeated = len(set(phrases[0])) < len(phrases[0])
        rule = Rule(number, of_names, phrases[0], phrases[0], both_ways=True)
    else:
        repeated = bool(set(phrases[0]) & set(phrases[1])) or any(len(set(side)) < len(side) for side in phrases)
        rule = Rule(number, of_names, phrases[0], phrases[1], both_ways=False)
    if repeated:
        return f"line {number} names the same word twice (accents and capitals do not count): keep one of them"
    return rule


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
