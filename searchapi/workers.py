"""Metrics of several worker processes: a directory of their files, and what becomes of those of a worker that ended.

prometheus_client keeps the files of dead workers for ever (prometheus/client_python#275, #568), so that with workers that are replaced
now and then each scrape would read more of them. Here a dead worker's counts are added to one pair of files. This module goes once
upstream does it. It must not be imported before `directory()` was called: the library decides on its import where values live.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Whose counts are those of the dead.
_GONE = "gone"


@contextmanager
def directory() -> Iterator[Path]:
    """A directory of this process's own for its workers' metrics, until the block ends."""
    path, owner = tempfile.mkdtemp(prefix="bulario-metrics-"), os.getpid()
    os.environ[VARIABLE] = path
    try:
        yield Path(path)
    finally:
        # A worker is a fork of this block: one that ends leaves it too, and the others still write.
        if os.getpid() == owner:
            shutil.rmtree(path)


@contextmanager
def reading() -> Iterator[Path | None]:
    """The directory while nobody changes which files it has; None where there is one process."""
    path = os.environ.get(VARIABLE)
    if path is None:
        yield None
        return
    with _locked(Path(path), fcntl.LOCK_SH):
        yield Path(path)


def bury(pid: int) -> None:
    """Adds a dead worker's counts to those of the dead, and forgets what it was doing. Called by the parent of the workers alone."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - see above
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415

    path = Path(os.environ[VARIABLE])
    with _locked(path, fcntl.LOCK_EX):
        multiprocess.mark_process_dead(pid, str(path))  # type: ignore[no-untyped-call]  # untyped there
        for kind in ("counter", "histogram"):
            own = path / f"{kind}_{pid}.db"
            if not own.exists():
                continue
            kept = MmapedDict(str(path / f"{kind}_{_GONE}.db"))  # type: ignore[no-untyped-call]  # untyped there
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(own)):  # type: ignore[no-untyped-call]  # untyped there
                kept.write_value(key, kept.read_value(key)[0] + value, 0.0)  # type: ignore[no-untyped-call]  # untyped there
            kept.close()  # type: ignore[no-untyped-call]  # untyped there
            own.unlink()


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with (path / "lock").open("a") as file:
        fcntl.flock(file, how)
        yield
