"""The real leaflets of ../shared/data as an ERP would hold them, synced into an installation of one's own.

`python -m tests.search.corpus --opensearch http://127.0.0.1:9246 --alias real` leaves them there for a searchapi to be tried on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from indexer.cursors import Cursors
from indexer.pull import Outcome, Stores, sync
from indexer.readers import Readers
from indexer.rejected import RejectedLeaflets
from indexer.sources.config import configured
from indexer.write import Writer
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.synonyms import synonyms
from tests.sources.standin import Reply, Request, serving, told

DATA = Path(__file__).parents[3] / "shared" / "data"

_SOURCES = """
[sources.real]
type = "rest"
url = "{url}"
paging = {{ by = "offset", parameter = "start", size_parameter = "size", size = 50 }}
records = "items"
max_in_flight = 2
fields = {{ id = "id", name = "name", active_ingredients = "substances", text = "text", text_type = "text/plain" }}
"""


def rows() -> list[Any]:
    """The leaflets' records: id, meta (names), type, text."""
    with gzip.open(DATA / "leaflets.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def index_real(client: OpenSearch, indices: Indices, readers: Readers) -> tuple[Outcome, ...]:
    """Syncs the leaflets that are no duplicate of another: the brand as the product's name, where the data know one."""
    held = [row for row in rows() if not row["duplicate_of"]]

    def answer(request: Request) -> Reply:
        start, size = int(request.query["start"]), int(request.query["size"])
        return told({"items": [record(row) for row in held[start : start + size]]})

    prepare(client, indices, synonyms())
    stores = Stores(Writer(client, indices), Cursors(client, indices), RejectedLeaflets(client, indices))
    with serving(answer) as server, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sources.toml"
        file.write_text(_SOURCES.format(url=server.url))
        outcomes = sync(configured(file, {}), stores, readers)
    client.indices.refresh(index=f"{indices.alias},{indices.cursors}")
    return tuple(outcomes)


def record(row: Any) -> dict[str, str]:
    """What the ERP would hold of a leaflet."""
    meta = next((meta for meta in row["meta"] if meta["name"] or meta["brand_used"]), {"name": "", "brand_used": ""})
    return {
        "id": row["id"],
        "name": meta["brand_used"] or meta["name"] or "",
        "substances": meta["name"] or "",
        "text": row["text"],
    }


def main() -> None:
    """Syncs them into a running OpenSearch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--opensearch", required=True)
    parser.add_argument("--alias", required=True)
    given = parser.parse_args()
    client = connect(given.opensearch)
    client.indices.delete(index=f"{given.alias}-*")
    with Readers() as readers:
        for outcome in index_real(client, Indices(given.alias), readers):
            print(outcome)


if __name__ == "__main__":
    main()
