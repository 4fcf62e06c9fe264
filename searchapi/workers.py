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
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Whose counts are those of the dead.
_GONE = "gone"
# Seconds that the parent waits for scrapes to end: one takes some milliseconds.
PATIENCE = 1.0


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


@contextmanager
def opening() -> Iterator[None]:
    """While this process makes its files: a scrape that met one before its first bytes stand in it would fail."""
    path = os.environ.get(VARIABLE)
    if path is None:
        yield
        return
    with _locked(Path(path), fcntl.LOCK_EX):
        yield


def bury(alive: Container[int]) -> None:
    """Adds dead workers' counts to those of the dead, and forgets what they were doing. For the parent of the workers alone.

    Where scrapes leave no moment for it, it is left for the next time: the parent must go on minding its workers.
    """
    from prometheus_client import multiprocess  # noqa: PLC0415 - see above

    path = Path(os.environ[VARIABLE])
    with suppress(_Taken), _locked(path, fcntl.LOCK_EX, within=PATIENCE):
        for pid in {int(file.stem.rpartition("_")[2]) for file in path.glob("*_[0-9]*.db")}:
            if pid not in alive:
                multiprocess.mark_process_dead(pid, str(path))  # type: ignore[no-untyped-call]  # untyped there
                for kind in ("counter", "histogram"):
                    _add(path / f"{kind}_{pid}.db", path / f"{kind}_{_GONE}.db")


def _add(own: Path, to: Path) -> None:
    """Adds one file's counts to another's, and removes it."""
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 - see above

    if not own.exists():
        return
    kept = MmapedDict(str(to))  # type: ignore[no-untyped-call]  # untyped there
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(own)):  # type: ignore[no-untyped-call]  # untyped there
        kept.write_value(key, kept.read_value(key)[0] + value, 0.0)  # type: ignore[no-untyped-call]  # untyped there
    kept.close()  # type: ignore[no-untyped-call]  # untyped there
    own.unlink()


class _Taken(Exception):
    """Others have the lock; try again later."""


@contextmanager
def _locked(path: Path, how: int, within: float | None = None) -> Iterator[None]:
    """The directory's lock; waited for as long as it takes, or raises _Taken after so many seconds."""
    with (path / "lock").open("a") as file:
        if within is None:
            fcntl.flock(file, how)
        else:
            until = time.monotonic() + within
            while not _taken_now(file, how):
                if time.monotonic() > until:
                    raise _Taken
                time.sleep(0.01)
        yield


def _taken_now(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
