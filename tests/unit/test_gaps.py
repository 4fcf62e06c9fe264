"""Which words of a question that found nothing may be counted, and which rule a gap suggests."""

from __future__ import annotations

from datetime import date

import pytest

from opensearch.documents import ingredient_keys
from opensearch.gaps import Gap, NearName
from opensearch.names import Named
from opensearch.synonyms import Synonyms
from searchapi.gaps import unknown
from searchapi.understand import Usage, read, understood
from searchapi.vocabulary import vocabulary

NAMES = vocabulary(
    tuple(Named(name, (made,), tuple(ingredient_keys((made,))), "", (), "EMS S/A") for name, made in (("Rivotril", "clonazepam"),)),
    Synonyms(()),
    stamp="1",
    generation="leaflets-000001",
    ordinary=frozenset(["bombinha", "receita"]),
)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("rivotriu", ["rivotriu"]),
        ("Bombinha para  ZOLQUEXIM", ["bombinha", "zolquexim"]),
        ("zolquexim zolquexim", ["zolquexim"]),
        # No digits: strengths, telephones, CPFs. A registration or EAN names a drug.
        ("zolquexim 20mg 11999998888 123.456.789-09 b12", ["zolquexim"]),
        ("zolquexim 1.0000.1201", []),
        ("maria.souza@exemplo.com.br zolquexim", ["zolquexim"]),
        ("https://exemplo.com/receituario zolquexim www.exemplo.org", ["zolquexim"]),
        # Names that are known, and their beginnings: still being typed.
        ("rivotril zolquexim", []),
        ("rivot", []),
        ("xyz", []),
        ("z" * 33, []),
        # A pasted text.
        ("zolquexim fulano beltrano sicrano", []),
    ],
)
def test_only_unknown_words_are_counted(question: str, words: list[str]) -> None:
    """Each alone, so that no two of them tell of one person."""
    assert list(unknown(understood(read(question, NAMES), Usage(), NAMES), NAMES)) == words


@pytest.mark.parametrize(
    ("nearest", "rule"),
    [
        ([("Rivotril", "spelling")], "zolquexim => Rivotril"),
        ([("Rivotril", "phonetic"), ("Retrovir", "spelling")], "zolquexim => Rivotril"),
        ([("Retrovir", "spelling"), ("Rivotril", "phonetic")], ""),
        ([("Retrovir", "phonetic"), ("Rivotril", "phonetic")], ""),
        ([("Retrovir", "spelling"), ("Rivotril", "spelling")], ""),
        ([], ""),
    ],
)
def test_a_rule_is_proposed_where_one_name_stands_out(nearest: list[tuple[str, str]], rule: str) -> None:
    """It alone is near, or it alone sounds alike and is the nearest too."""
    day = date(2026, 1, 1)
    assert Gap("zolquexim", 9, 5, day, day, tuple(NearName(*one) for one in nearest)).rule == rule
