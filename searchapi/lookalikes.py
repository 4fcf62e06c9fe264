"""Names in the index that could be taken for the one asked for (LASA), with the letters that tell them apart in capitals.

Computed between our own names, by spelling and by sound. The contrast follows the CD3 rule: from the left up to the first letter that
differs, from the right likewise, and what lies between in capitals (Ministério da Saúde, protocolo anexo à Portaria 2.095/2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from rapidfuzz import process
from rapidfuzz.distance import OSA

from leaflets.names import key, phonetic_keys
from searchapi.vocabulary import Drug, Vocabulary

# Above this hidroxizina/hidralazina (0.73), losartana/valsartana (0.70) and clonazepam/lorazepam (0.80) are told; omeprazol/pantoprazol
# (0.55) are not.
ALIKE = 0.7
# Shorter names differ in every letter (the ISMP asks for five letters before anything is offered).
SHORTEST = 5
MOST = 3


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A name like the one asked for; `mine` and `theirs` are both with the differing letters in capitals."""

    name: str
    mine: str
    theirs: str


def lookalikes(drug: Drug, names: Vocabulary) -> tuple[Lookalike, ...]:
    """At most three names of other drugs that could be taken for this one, the most alike first."""
    mine = key(drug.name)
    if len(mine) < SHORTEST or " " in mine or mine not in names.drugs:
        return ()
    others = [other for other in names.single_names if other != mine and not names.same_drug(mine, other)]
    by_spelling = process.extract(mine, others, scorer=OSA.normalized_similarity, score_cutoff=ALIKE, limit=None)
    sound = phonetic_keys(mine)[:1]
    alike = {other: score for other, score, _ in by_spelling} | {
        other: 1.0 for other in others if sound and phonetic_keys(other)[:1] == sound
    }
    best = sorted(alike.items(), key=lambda found: (-found[1], found[0]))[:MOST]
    return tuple(Lookalike(names.name_of(other), _contrast(mine, other), _contrast(other, mine)) for other, _ in best)


def _contrast(name: str, other: str) -> str:
    """The name with the letters that the other has not in its place in capitals."""
    shorter = min(len(name), len(other))
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(name), reversed(other), strict=False)))
    end = min(end, shorter - start)
    return name[:start] + name[start : len(name) - end].upper() + name[len(name) - end :]
