"""The index's settings and mapping: strict, one text field a section, core analysers only, so that any OpenSearch can hold it.

    text     -> standard -> lowercase -> fold -> "oes" to "ao" -> [synonyms, when searching] -> stop words -> light stemmer

The stemmer chain groups all 22 clinical triples that the stock ones split (contraindicações / contraindicacoes / contraindicação).
"""

from __future__ import annotations

from leaflets import Section
from opensearch.synonyms import Synonyms

# Raised whenever a change here means that an existing index must be rebuilt (`indexer reindex`).
VERSION = 3

# Words that carry nothing in a leaflet or a question, folded. "não", "sem", "com" and "até" are not here: they turn a sentence over.
STOP_WORDS = """a ao aos aquela aquele as da das de dela dele deles depois do dos e ela elas ele eles em entre era essa esse esta estas
este estes eu foi for ha isso isto ja la lhe mas me mesmo meu minha muito na nas no nos num numa o os ou para pela pelas pelo pelos por
pra qual quais que quem se seu seus sua suas tambem te tem um uma voce voces""".split()

# What one leaflet may hold at most before its highlight is cut; the longest real one has 244,150 characters.
LONGEST_LEAFLET = 2_000_000


def body(synonyms: Synonyms) -> dict[str, object]:
    """The body of an index creation. One shard: a few thousand leaflets fit, and scores are those of the whole index."""
    return {
        "settings": {
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "refresh_interval": "1s",
            "highlight": {"max_analyzed_offset": LONGEST_LEAFLET},
            "analysis": _analysis(synonyms),
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": meta(synonyms),
            "properties": _properties(),
        },
    }


def synonym_settings(synonyms: Synonyms) -> dict[str, object]:
    """The settings that give an existing index, closed meanwhile, other synonyms."""
    return {"analysis": {"filter": {"synonyms": _synonyms(synonyms)}}}


def meta(synonyms: Synonyms) -> dict[str, object]:
    """What an index says of the mapping and the synonyms that it was made with."""
    return {"version": VERSION, "synonyms": synonyms.version}


def _synonyms(synonyms: Synonyms) -> dict[str, object]:
    return {"type": "synonym_graph", "synonyms": list(synonyms.lines)}


def _analysis(synonyms: Synonyms) -> dict[str, object]:
    folded = ["lowercase", "asciifolding"]
    return {
        "filter": {
            # The light stemmer's rule for "ões" needs the accent that folding has taken off.
            "oes_to_ao": {"type": "pattern_replace", "pattern": "oes$", "replacement": "ao"},
            "stop_words": {"type": "stop", "stopwords": STOP_WORDS},
            "stem": {"type": "stemmer", "language": "light_portuguese"},
            "beginnings": {"type": "edge_ngram", "min_gram": 2, "max_gram": 20, "preserve_original": True},
            "synonyms": _synonyms(synonyms),
        },
        "normalizer": {"folded": {"type": "custom", "filter": folded}},
        "analyzer": {
            "text": {"tokenizer": "standard", "filter": [*folded, "oes_to_ao", "stop_words", "stem"]},
            "question": {"tokenizer": "standard", "filter": [*folded, "synonyms", "oes_to_ao", "stop_words", "stem"]},
            "folded": {"tokenizer": "standard", "filter": folded},
            "beginnings": {"tokenizer": "standard", "filter": [*folded, "beginnings"]},
        },
    }


def _properties() -> dict[str, object]:
    keyword = {"type": "keyword"}
    kept = {"type": "object", "enabled": False}
    name = {
        "type": "text",
        "analyzer": "folded",
        "fields": {"prefix": {"type": "text", "analyzer": "beginnings", "search_analyzer": "folded"}},
    }
    section = {"type": "text", "analyzer": "text", "search_analyzer": "question", "index_options": "offsets", "copy_to": "words"}
    return {
        "source": keyword,
        "source_id": keyword,
        "audience": keyword,
        "product": keyword,
        "name": name,
        "name_key": keyword,
        # The name as printed, whole and without strengths, forms and packs.
        "called": {"type": "keyword", "fields": {"folded": {"type": "keyword", "normalizer": "folded"}}},
        "active_ingredients": name,
        "ingredient_keys": keyword,
        "ingredient_count": {"type": "byte"},
        "sounds": keyword,
        "laboratory": {"type": "text", "analyzer": "folded", "fields": {"exact": keyword}},
        "registration": keyword,
        "eans": keyword,
        "category": keyword,
        "active": {"type": "boolean"},
        "doses": keyword,
        "forms": keyword,
        "sections": {"properties": {str(s): section for s in Section}},
        # The folded words of the text, unstemmed: to tell an ordinary word from a broken name.
        "words": {"type": "text", "analyzer": "folded", "index_options": "docs", "norms": False},
        "updated_at": {"type": "date"},
        "indexed_at": {"type": "date"},
        "withdrawn": {"type": "boolean"},
        "content_hash": {"type": "keyword", "index": False, "doc_values": False},
        # The ERP's own version, in microseconds since 1970. The document's `_version` began as this and counts writes (docs/adr/0007).
        "version": {"type": "long"},
        # Kept to be shown or to rebuild from, never searched.
        "titles": kept,
        "section_hashes": {"type": "keyword", "index": False},
        "original": {"type": "binary"},
        "history": {"type": "text", "index": False},
    }
