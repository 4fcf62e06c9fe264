"""Ordinary Portuguese words, folded: what a caller says that is no name. From the dictionary that pyspellchecker ships (OpenSubtitles)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from spellchecker import SpellChecker

from leaflets.names import fold

# The words most used, which a caller says whatever is asked: "saiu", "forte", "parece".
EVERYDAY = 2_000


@dataclass(frozen=True, slots=True)
class _Words:
    """Every word of the dictionary, and those most used."""

    ordinary: frozenset[str]
    everyday: frozenset[str]


def ordinary_words() -> frozenset[str]:
    """About 380,000 words with their inflections. Loading them takes half a second and 40 MB, once a process."""
    return _words().ordinary


def everyday_words() -> frozenset[str]:
    """The words most used in speech."""
    return _words().everyday


@lru_cache(maxsize=1)
def _words() -> _Words:
    said: Counter[str] = Counter()
    for word, times in SpellChecker(language="pt").word_frequency.items():
        if word.isalpha():
            said[fold(word)] += times
    return _Words(frozenset(said), frozenset(word for word, _ in said.most_common(EVERYDAY)))
