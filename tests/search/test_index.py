"""The index itself: strict, its analyser right for Portuguese, its synonyms those of the file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from opensearch.generations import Indices, OldIndex, current, prepare
from opensearch.synonyms import synonyms

# Accented plural, unaccented plural, singular: as leaflets, callers and headings write them.
TRIPLES = """contraindicações contraindicacoes contraindicação, reações reacoes reação, precauções precaucoes precaução,
interações interacoes interação, indicações indicacoes indicação, injeções injecoes injeção, soluções solucoes solução,
infecções infeccoes infecção, lesões lesoes lesão, alterações alteracoes alteração, convulsões convulsoes convulsão, renais renais renal,
inflamações inflamacoes inflamação, erupções erupcoes erupção, medicações medicacoes medicação, comprimidos comprimidos comprimido,
crianças criancas criança, gestações gestacoes gestação, ulcerações ulceracoes ulceração, palpitações palpitacoes palpitação,
injetáveis injetaveis injetável, mães maes mãe"""


def tokens(client: OpenSearch, indices: Indices, text: str, analyzer: str = "text") -> list[str]:
    """What an analyser makes of a text."""
    told = client.indices.analyze(index=indices.alias, body={"text": text, "analyzer": analyzer})
    return [token["token"] for token in told["tokens"]]


@pytest.mark.parametrize("triple", [triple.strip() for triple in TRIPLES.split(",")])
def test_no_clinical_triple_is_split(client: OpenSearch, indices: Indices, triple: str) -> None:
    """The stock Portuguese stemmers split 15 and 17 of 22."""
    assert len(set(tokens(client, indices, triple))) == 1


@pytest.mark.engines
def test_words_that_turn_a_sentence_over_are_kept(client: OpenSearch, indices: Indices) -> None:
    """Without them "não usar com álcool" would be "usar álcool"."""
    assert tokens(client, indices, "não usar sem água, com álcool, até o fim") == [
        "nao",
        "usar",
        "sem",
        "agua",
        "com",
        "alcool",
        "ate",
        "fim",
    ]


@pytest.mark.engines
def test_a_question_is_widened_by_synonyms_and_a_leaflet_is_not(client: OpenSearch, indices: Indices) -> None:
    """So that an edit of the file needs no leaflet written again."""
    assert set(tokens(client, indices, "febre", "question")) > {"febr"}
    assert tokens(client, indices, "febre") == ["febr"]


@pytest.mark.engines
def test_a_field_that_the_mapping_does_not_know_is_refused(client: OpenSearch, indices: Indices) -> None:
    """A misspelt field would otherwise be indexed and never searched."""
    with pytest.raises(RequestError, match="strict_dynamic_mapping_exception"):
        client.index(index=indices.alias, id="x", body={"posologia": "um ao dia"})


@pytest.mark.engines
def test_an_index_of_an_older_mapping_is_left_as_it_is_with_what_to_run(client: OpenSearch, indices: Indices) -> None:
    """Its strict mapping would reject every leaflet; edited synonyms must not make it look like a new one."""
    generation = current(client, indices)
    client.indices.put_mapping(index=generation, body={"_meta": {"version": 1, "synonyms": "older"}})
    before = client.indices.get(index=generation)
    with pytest.raises(OldIndex, match=rf"{generation} .* mapping 1 .* searches go on .* Run `indexer reindex`"):
        prepare(client, indices, synonyms())
    assert client.indices.get(index=generation) == before


@pytest.mark.engines
def test_edited_synonyms_are_applied_to_the_index_that_is_there(client: OpenSearch, indices: Indices, tmp_path: Path) -> None:
    """By the next sync, without writing a leaflet again; a second time nothing is done."""
    file = tmp_path / "synonyms.txt"
    file.write_text("[words]\nfebre, quentura\n", encoding="utf-8")
    edited = synonyms(file)
    generation = current(client, indices)
    started = time.monotonic()
    assert prepare(client, indices, edited) == generation
    print(f"applied in {time.monotonic() - started:.2f} s")
    client.cluster.health(index=indices.alias, params={"wait_for_status": "yellow"})
    assert set(tokens(client, indices, "quentura", "question")) == {"febr", "quentur"}
    settings = client.indices.get_settings(index=indices.alias)
    prepare(client, indices, edited)
    assert client.indices.get_settings(index=indices.alias) == settings
