"""The synonyms file and its lint."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensearch.synonyms import SynonymsRejected, synonyms


def written(tmp_path: Path, text: str) -> Path:
    """A synonyms file with this text."""
    file = tmp_path / "synonyms.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_that_we_ship_has_no_faults() -> None:
    """It is read at every start."""
    shipped = synonyms()
    assert shipped.names["rivotril"] == ("clonazepam",)
    assert "febre, pirexia, estado febril" in shipped.lines


def test_a_brand_finds_its_substance_but_not_the_other_way(tmp_path: Path) -> None:
    """A one-way rule keeps the word that was typed and adds what it stands for."""
    found = synonyms(written(tmp_path, "[names]\nRivotril => clonazepam\n"))
    assert found.lines == ("rivotril => rivotril, clonazepam",)
    assert "clonazepam" not in found.names


def test_lay_words_are_no_names(tmp_path: Path) -> None:
    """Only [names] can resolve a drug."""
    assert synonyms(written(tmp_path, "[words]\nfebre, pirexia\n")).names == {}


def test_the_version_changes_with_a_rule_and_not_with_a_comment(tmp_path: Path) -> None:
    """It is part of every cached answer's key."""
    first = synonyms(written(tmp_path, "[words]\nfebre, pirexia\n")).version
    assert synonyms(written(tmp_path, "# lay words\n[words]\nfebre, pirexia # fever\n")).version == first
    assert synonyms(written(tmp_path, "[words]\nfebre, pirexia, quentura\n")).version != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[words]\nfebre,\n", "line 2 has an empty side or an empty place between commas"),
        ("[names]\nrivotril =>\n", "line 2 has an empty side"),
        ("[names]\n=> clonazepam\n", "line 2 has an empty side"),
        ("[words]\nfebre\n", "line 2 names one word alone"),
        ("[words]\nfebre, Fébre\n", "line 2 names the same word twice"),
        ("[names]\naas => aas\n", "line 2 names the same word twice"),
        ("[words]\nfebre, pirexia\nfebre, quentura\n", "line 3: 'febre' already stands in line 2: join the two lines"),
        ("[names]\na1 => b1\nb1 => a1\n", "leads back to itself: write 'a, b'"),
        ("[names]\na1 => b1\nb1 => c1\nc1 => a1\n", "leads back to itself"),
        ("[names]\na => b => c\n", "line 2 has more than one '=>'"),
        ("febre, pirexia\n", "line 1 stands before any heading: write [names] or [words] above it"),
    ],
)
def test_each_fault_is_told_with_its_line_and_its_mend(tmp_path: Path, text: str, said: str) -> None:
    """Who edits the file is no programmer."""
    with pytest.raises(SynonymsRejected) as error:
        synonyms(written(tmp_path, text))
    assert said in str(error.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """One round of mending is enough."""
    with pytest.raises(SynonymsRejected) as error:
        synonyms(written(tmp_path, "[words]\nfebre,\ndor\n"))
    assert "line 2" in str(error.value)
    assert "line 3" in str(error.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """A spreadsheet saved under the name is told as such."""
    file = tmp_path / "synonyms.txt"
    file.write_bytes(b"\xff\xfe\x00f")
    with pytest.raises(SynonymsRejected, match="cannot be read as UTF-8 text"):
        synonyms(file)
