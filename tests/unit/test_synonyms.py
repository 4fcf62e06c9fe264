"""The synonyms file and its lint."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensearch.documents import ingredient_keys
from opensearch.joined import joined, sentence
from opensearch.names import Named
from opensearch.synonyms import FILE, SynonymsRejected, synonyms


def written(tmp_path: Path, text: str) -> Path:
    """A synonyms file with this text."""
    file = tmp_path / "synonyms.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_that_we_ship_has_no_faults() -> None:
    """It is read at every start."""
    shipped = synonyms()
    assert shipped.names["rivotril"] == ("clonazepam",)
    assert "febre, pirexia, estado febril, febril" in shipped.lines


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
        ("[names]\naas = aas\n", "line 2 names the same word twice"),
        ("[names]\naas = \n", "line 2 has an empty side"),
        ("[names]\naas = acido acetilsalicilico, aspirina\n", "line 2 writes '=', which joins names of one substance, and nothing else"),
        ("[words]\nfebre = pirexia\n", "line 2 writes '=', which joins names of one substance, and nothing else, under [names]"),
        ("[names]\nvalium => diazepam\n[words]\ncalmante, diazepam\n", "line 4: 'diazepam' names a drug in line 2, so it cannot be"),
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


# --- two drugs joined -----------------------------------------------------------------------------------------------------------------


def named(name: str, *ingredients: str) -> Named:
    """The names of one leaflet."""
    return Named(name, ingredients, tuple(ingredient_keys(ingredients)), "", ())


HELD = (
    named("Losartana Potássica", "losartana potássica"),
    named("Aradois 50 mg comprimidos", "losartana potássica"),
    named("Aradois H", "losartana potássica", "hidroclorotiazida"),
    named("Diovan", "valsartana"),
    named("Clavulin BD", "amoxicilina tri-hidratada", "clavulanato de potássio"),
    named("Clavulin BD", "amoxicilina", "ácido clavulânico"),
    named("Amoxicilina", "amoxicilina tri-hidratada"),
    named("Glifage XR", "metformina XR"),
    named("Metformina", "cloridrato de metformina"),
    named("Novalgina", "metamizol"),
    named("Dipirona", "dipirona sódica"),
    named("Ciprofloxacina", "ciprofloxacina"),
    named("Cipro", "ciprofloxacino"),
    named("Remédio sem composição"),
)


def refused(tmp_path: Path, text: str) -> str:
    """Why the rules are refused."""
    return sentence(joined(synonyms(written(tmp_path, text)), HELD))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("losartana, valsartana", "line 2: the index holds 'losartana' and 'valsartana' as two drugs: take one of them out, or write"),
        ("diovan => losartana", "line 2: the index holds 'diovan' (valsartana) and 'losartana' as two drugs: take one of them out"),
        ("losartana => diovan", "'losartana' and 'diovan' (valsartana)"),
        ("cozaar => losartana, valsartana", "'losartana' and 'valsartana'"),
        ("aradois, diovan => bra", "'aradois' (losartana) and 'diovan' (valsartana)"),
        ("aradois h => losartana", "'aradois h' (hidroclorotiazida + losartana) and 'losartana'"),
        ("clavulin bd => amoxicilina", "'amoxicilina'"),
        ("glifage => losartana", "'glifage' (metformina xr) and 'losartana'"),
        ("diovan = losartana", "'diovan' (valsartana) and 'losartana'"),
        ("dipirona, metamizol", "or write 'dipirona = metamizol' if both are names of one substance"),
    ],
)
def test_a_rule_that_joins_two_drugs_of_the_index_is_refused(tmp_path: Path, rule: str, said: str) -> None:
    """Who asks for the one would be shown the other."""
    assert said in refused(tmp_path, f"[names]\n{rule}\n")


@pytest.mark.parametrize(
    "rule",
    [
        "cozaar => losartana",
        "aradois => losartana",
        "losartana potassica => losartana",
        "clavulin => amoxicilina + clavulanato",
        "clavulin bd => amoxicilina + clavulanato",
        "glifage => metformina",
        "cipro => ciprofloxacino",
        "xarelto => rivaroxabana",
        "remedio sem composicao => losartana",
        "dipirona = metamizol",
    ],
)
def test_a_rule_within_one_drug_or_to_one_that_nobody_holds_stands(tmp_path: Path, rule: str) -> None:
    """Salts, spellings and releases of one substance are one; so are two names that a person vouches for."""
    assert refused(tmp_path, f"[names]\n{rule}\n") == ""


def test_what_is_vouched_for_holds_in_all_rules(tmp_path: Path) -> None:
    """The source that writes metamizol sells dipirona."""
    assert refused(tmp_path, "[names]\nnovalgina => dipirona\n")
    assert not refused(tmp_path, "[names]\nnovalgina => dipirona\ndipirona = metamizol\n")


@pytest.mark.parametrize("rule", ["febre, losartana", "calmante => diovan", "diovan => calmante"])
def test_a_drugs_name_among_lay_words_is_refused(tmp_path: Path, rule: str) -> None:
    """Whoever says the word would be shown that drug."""
    assert "as a drug: take it out of [words], or give it a line under [names]" in refused(tmp_path, f"[words]\n{rule}\n")


def test_rules_are_left_out_by_their_line(tmp_path: Path) -> None:
    """The others stand."""
    found = synonyms(written(tmp_path, "[names]\nlosartana, valsartana\ncozaar => losartana\n"))
    left = found.without({refusal.line for refusal in joined(found, HELD)})
    assert left.names == {"cozaar": ("losartana",)}
    assert left.version != found.version


def test_the_file_that_we_ship_joins_no_two_drugs() -> None:
    """Also where sources write a substance's other names."""
    others = [rule.left for rule in synonyms(FILE).rules if rule.one_substance]
    assert joined(synonyms(FILE), (*HELD, *(named(name, name) for names in others for name in names))) == ()
