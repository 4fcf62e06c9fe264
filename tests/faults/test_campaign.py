"""The short campaign: what CI runs of `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import campaign

SEED = 2026
FAULTS = 200
KINDS = 15


# Two minutes on two idle cores; some machines have more to do.
@pytest.mark.timeout(1200)
def test_whatever_fails_the_index_holds_what_the_erps_hold(tmp_path: Path) -> None:
    """Nothing lost, stale, resurrected or duplicated, exactly the unreadable ones listed; the table is printed with its seed."""
    verdict = campaign(tmp_path, SEED, FAULTS)
    print(verdict)
    assert verdict.passed, verdict
    assert sum(verdict.faults.values()) >= FAULTS
    assert len(verdict.faults) >= KINDS
