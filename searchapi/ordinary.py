"""Ordinary Portuguese words, folded: what a caller says that is no name. From the dictionary that pyspellchecker ships (OpenSubtitles)."""

from __future__ import annotations

from functools import lru_cache

from spellchecker import SpellChecker

from leaflets.names import fold


@lru_cache(maxsize=1)
def ordinary_words() -> frozenset[str]:
    """About 380,000 words with their inflections. Loading them takes half a second and 40 MB, once a process."""
    return frozenset(fold(word) for word in SpellChecker(language="pt").word_frequency if word.isalpha())
