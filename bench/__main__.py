"""`python -m bench [NAME]...`: the named benchmarks, or all."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import availability, lookalikes, names, serving, sync, uncached

BENCHMARKS: dict[str, Callable[[], None]] = {
    "sync": sync.main,
    "availability": availability.main,
    "names": names.main,
    "lookalikes": lookalikes.main,
    "serving": serving.main,
    "uncached": uncached.main,
}


def main() -> None:
    """Runs the benchmarks named on the command line; exits 2 for a name that is none."""
    names = sys.argv[1:] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
