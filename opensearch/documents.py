"""A leaflet as the index holds it."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from leaflets import Audience, Category, Change, Facts, Leaflet, Section
from leaflets.labels import forms, printed, title
from leaflets.names import ingredient, key, phonetic_keys, words
from leaflets.wording import wording


def document(leaflet: Leaflet, *, indexed_at: datetime) -> dict[str, object]:
    """The document of a leaflet, ready for `_bulk`."""
    keys = ingredient_keys(leaflet.active_ingredients)
    named = (leaflet.name, *leaflet.active_ingredients)
    return {
        "source": leaflet.source,
        "source_id": leaflet.source_id,
        "audience": str(leaflet.audience),
        "product": product(leaflet),
        "name": leaflet.name,
        "name_key": key(leaflet.name),
        "called": sorted({printed(leaflet.name), printed(title(leaflet.name))}),
        "active_ingredients": list(leaflet.active_ingredients),
        "ingredient_keys": keys,
        "ingredient_count": min(len(keys), 100),
        "sounds": sorted({sound for name in named for word in words(name) for sound in phonetic_keys(word)}),
        "laboratory": leaflet.laboratory,
        "registration": leaflet.registration,
        "eans": list(leaflet.eans),
        "category": leaflet.category,
        "active": leaflet.active,
        "doses": list(leaflet.doses),
        "forms": list(forms("\n".join([leaflet.name, *_presentations(leaflet)]))),
        "sections": {str(p.section): p.text for p in leaflet.passages},
        "titles": {str(p.section): p.title for p in leaflet.passages},
        "section_hashes": [f"{p.section} {_told(p.text)}" for p in leaflet.passages],
        "history": leaflet.history,
        "original": packed({"text": leaflet.text, "facts": asdict(leaflet.facts)}),
        "updated_at": _time(leaflet.updated_at),
        "indexed_at": _time(indexed_at),
        "withdrawn": False,
        "content_hash": leaflet.content_hash,
        "version": leaflet.version,
    }


# Characters of the identification in which the presentations stand, before a composition names other forms' excipients.
_PRESENTATIONS = 1500


def _presentations(leaflet: Leaflet) -> list[str]:
    return [p.text[:_PRESENTATIONS] for p in leaflet.passages if p.section is Section.IDENTIFICATION]


def tombstone(source: str, source_id: str, audience: str, *, version: int, indexed_at: datetime) -> dict[str, object]:
    """What stands where a withdrawn leaflet stood, so that a late older version cannot bring it back."""
    return {
        "source": source,
        "source_id": source_id,
        "audience": audience,
        "withdrawn": True,
        "indexed_at": _time(indexed_at),
        "content_hash": "",
        "version": version,
    }


def ingredient_keys(active_ingredients: tuple[str, ...]) -> list[str]:
    """The substances without their salts, folded, each once."""
    return list(dict.fromkeys(ingredient(name) for name in active_ingredients if ingredient(name)))


def product(leaflet: Leaflet) -> str:
    """What leaflets of one product share in whatever ERP: registration, else EAN, else name and laboratory; and the audience."""
    if len(leaflet.registration) in {9, 13}:
        identity = f"registration {leaflet.registration[:9]}"
    elif leaflet.eans:
        identity = f"ean {min(leaflet.eans)}"
    else:
        identity = f"name {key(leaflet.name)} of {key(leaflet.laboratory)}"
    return f"{identity} for {leaflet.audience}"


@dataclass(frozen=True, slots=True)
class Original:
    """What a leaflet was read from, as its document kept it: the change, but for its contents, and their text."""

    change: Change
    text: str


def original(stored: Mapping[str, Any], version: int) -> Original:  # Any: a document as OpenSearch gives it; it ends here
    """The original in a stored document; `version` is the document's `_version`, which is the ERP's own in mappings before 3."""
    kept = unpacked(stored["original"])
    change = Change(
        source_id=stored["source_id"],
        updated_at=datetime.fromisoformat(stored["updated_at"]),
        version=stored.get("version", version),
        facts=facts(kept["facts"]),
        contents=(),
    )
    return Original(change, kept["text"])


def facts(told: Mapping[str, Any]) -> Facts:  # Any: JSON of ours; it ends here
    """Facts as `asdict` told them."""
    return Facts(
        name=told["name"],
        active_ingredients=tuple(told["active_ingredients"]),
        laboratory=told["laboratory"],
        registration=told["registration"],
        eans=tuple(told["eans"]),
        audience=Audience(told["audience"]) if told["audience"] else None,
        # Mapping 1 did not keep these two: its leaflets have them again once their ERP is pulled whole.
        category=Category(told["category"]) if told.get("category") else None,
        active=told.get("active"),
    )


def first_version(erp: int) -> int:
    """The `_version` of a document that was not there before, from the ERP's own; ERPs that give no date have 0.

    At least 1: what has 0 can never be deleted by a query (https://opensearch.org/docs/latest/api-reference/document-apis/delete-by-query).
    """
    return max(erp, 1)


def packed(told: Mapping[str, object]) -> str:
    """JSON made small: an original is as long as all sections together, and every hit would be read with it."""
    return base64.b64encode(zlib.compress(json.dumps(told, ensure_ascii=False).encode(), level=1)).decode()


def unpacked(kept: str) -> Any:  # JSON of our own making
    """What was `packed`."""
    return json.loads(zlib.decompress(base64.b64decode(kept)))


def _told(text: str) -> str:
    """Equal for two sections that say the same, however they are laid out."""
    return hashlib.sha256(wording(text).encode()).hexdigest()[:16]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
