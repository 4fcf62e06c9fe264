"""Which products an answer will show, guessed from the last one about the same drug (docs/adr/0016-one-trip.md).

What is shown of a product can be asked for together with the ranking, if one knows which it will be. A wrong guess costs OpenSearch some
work and the answer a second trip; what is shown is always what was ranked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from searchapi.query import Filters, Window
from searchapi.understand import Understanding

# Some hundred bytes each.
MOST = 2000


class Guesses:
    """What one process showed last of each drug, for those that were asked about last."""

    def __init__(self) -> None:
        self._shown: OrderedDict[Hashable, tuple[str, ...]] = OrderedDict()

    def of(self, meant: Understanding, filters: Filters, window: Window) -> tuple[str, ...]:
        """The products that a page of results will likely show; none where nothing like it was asked for."""
        return self._shown.get(_key(meant, filters, window), ())

    def keep(self, meant: Understanding, filters: Filters, window: Window, products: tuple[str, ...]) -> None:
        """Remembers the products that a page showed."""
        key = _key(meant, filters, window)
        if not meant.drug or not products or self._shown.get(key) == products:
            return
        self._shown[key] = products
        while len(self._shown) > MOST:
            # Two threads may come here at once, and the second finds nothing too many.
            self._shown.popitem(last=False)


def _key(meant: Understanding, filters: Filters, window: Window) -> Hashable:
    """All by which products of one drug are ranked but what is asked of them: that moves few (searchapi/ranking.py)."""
    return (meant.drug, meant.named, meant.laboratories, meant.forms, meant.doses, meant.audience, filters, window)
