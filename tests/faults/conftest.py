"""What the tests of the commands share: the names that a command writes under, and an ERP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from opensearch.generations import Indices
from tests.faults.test_sync import Erp, record
from tests.sources.standin import StandIn, serving


@pytest.fixture
def production(client: OpenSearch) -> Iterator[Indices]:
    """The names of production, under which a command writes: nothing stands there, whatever ran before, and nothing stays."""
    everything = f"{Indices().alias}-*"
    client.indices.delete(index=everything)
    yield Indices()
    client.indices.delete(index=everything)


@pytest.fixture
def erp() -> Iterator[StandIn]:
    """A stand-in ERP of three leaflets."""
    with serving(Erp(record("001"), record("002"), record("003"))) as server:
        yield server
