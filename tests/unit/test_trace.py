"""W3C's traceparent: taken over where it is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchapi.trace import trace

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_trace_goes_on_under_a_span_of_our_own() -> None:
    """Its id and whether it is sampled are the caller's."""
    told = trace(f"00-{ID}-{SPAN}-01")
    assert (told.trace_id, told.sampled) == (ID, True)
    assert told.span_id != SPAN
    assert str(told) == f"00-{ID}-{told.span_id}-01"
    child = told.child()
    assert (child.trace_id, child.sampled) == (ID, True)
    assert child.span_id not in {SPAN, told.span_id}
    assert not trace(f"00-{ID}-{SPAN}-02").sampled


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """As the standard asks."""
    assert trace(f"01-{ID}-{SPAN}-01-more").trace_id == ID
    assert trace(f"cc-{ID}-{SPAN}-00").trace_id == ID


@pytest.mark.parametrize(
    "wrong",
    [
        "", "00", f"00-{ID}-{SPAN}", f"00-{ID.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{ID}-{'0' * 16}-01",
        f"ff-{ID}-{SPAN}-01", f"00-{ID}-{SPAN}-01-more", f"00-{ID}-{SPAN}-1", f"00-{ID}x-{SPAN}-01", f"00-{ID}-{SPAN}-01\nlosartana",
    ],
)  # fmt: skip
def test_what_is_none_makes_a_new_one(wrong: str) -> None:
    """Two of them are never the same."""
    assert trace(wrong).trace_id not in {ID, "0" * 32}
    assert trace(wrong).trace_id != trace(wrong).trace_id


@given(st.text())
def test_nothing_of_the_callers_words_is_taken_over(text: str) -> None:
    """Only hexadecimal digits come out, whatever comes in."""
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", str(trace(text)))
