"""Names near a word that is none: by spelling, by sound, and by what was typed so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import OSA, JaroWinkler

from leaflets.names import phonetic_keys
from searchapi.vocabulary import Vocabulary


class Why(StrEnum):
    """Why a name is suggested."""

    SPELLING = "spelling"
    PHONETIC = "phonetic"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Near:
    """A word of a name near the word that was typed; `likeness` is 1 for the same word."""

    word: str
    why: Why
    likeness: float


MOST = 5
# Below this a name says too little to be broken: three letters are three letters away from half of all names.
SHORTEST = 4
# Typing has to tell names apart: after 5 letters 75 % of names are alone (notes on 1,395 names).
SHORTEST_PREFIX = 3


def near(word: str, names: Vocabulary, *, typing: bool = False) -> tuple[Near, ...]:
    """At most five words of names near a folded word, best first; equal ones in the order of the alphabet.

    `typing`: the word may be unfinished, so that names that begin with it come first.
    """
    found: dict[str, Near] = {}
    for candidate in _candidates(word, names, typing=typing):
        best = found.get(candidate.word)
        if best is None or candidate.likeness > best.likeness:
            found[candidate.word] = candidate
    return tuple(sorted(found.values(), key=lambda n: (-n.likeness, n.word))[:MOST])


def allowed_distance(length: int) -> int:
    """How many slips a word of so many letters may hold: one in five letters, at most three."""
    return 0 if length < SHORTEST else min(3, max(1, length // 4))


def _candidates(word: str, names: Vocabulary, *, typing: bool) -> list[Near]:
    if not word.isalpha():
        return []
    found = []
    if len(word) >= (SHORTEST_PREFIX if typing else SHORTEST + 1):
        found += [
            Near(w, Why.PREFIX, _prefix_likeness(word, w, typing=typing)) for w in names.name_words if w.startswith(word) and w != word
        ]
    if len(word) < SHORTEST:
        return found
    sounds = phonetic_keys(word)
    # Heard the same: the slips that people make most; still behind a single slip of the pen in the same word.
    found += [Near(w, Why.PHONETIC, 0.9 + 0.1 * _likeness(word, w)) for sound in sounds for w in names.sounds.get(sound, ())]
    most = allowed_distance(len(word))
    for w in names.name_words:
        if abs(len(w) - len(word)) <= most:
            distance = OSA.distance(word, w, score_cutoff=most)
            if 0 < distance <= most:
                found.append(Near(w, Why.SPELLING, _likeness(word, w) - 0.02 * distance))
    return found


def _likeness(word: str, name: str) -> float:
    """Between 0 and 1; a slip at the beginning weighs more than one at the end (Jaro-Winkler)."""
    return 0.5 * JaroWinkler.similarity(word, name) + 0.5 * OSA.normalized_similarity(word, name)


def _prefix_likeness(word: str, name: str, *, typing: bool) -> float:
    share = len(word) / len(name)
    return 1.0 + share if typing else 0.7 + 0.3 * share
