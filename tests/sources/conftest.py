"""What the tests of sources share: starting stand-in ERPs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.sources.standin import Answer, StandIn, serving


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], StandIn]]:
    """Starts stand-ins that end with the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))
