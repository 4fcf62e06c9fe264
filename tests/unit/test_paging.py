"""Cursors: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Section
from searchapi.paging import MOST, BadCursor, Given
from searchapi.paging import given as read
from searchapi.query import Filters

QUESTION, NONE = "dipirona em crianca", Filters()
PRODUCTS = st.sets(st.text(min_size=1), max_size=60)


def start() -> Given:
    """Nothing was given yet."""
    return read("", QUESTION, NONE)


@given(PRODUCTS, PRODUCTS)
def test_a_cursor_knows_all_that_was_given(first: set[str], second: set[str]) -> None:
    """Page after page."""
    cursor = start().and_now(first).cursor
    onward = read(cursor, QUESTION, NONE).and_now(second)
    assert all(onward.has(product) for product in first | second)
    assert read(onward.cursor, QUESTION, NONE) == onward


def test_what_was_not_given_is_not_known() -> None:
    """Of a thousand others, four bytes tell each apart."""
    one = start().and_now(f"registration {number} for patient" for number in range(MOST))
    assert not any(one.has(f"registration {number} for professional") for number in range(1000))


def test_capitals_and_accents_make_no_other_question() -> None:
    """As for the cache: it is the same answer."""
    cursor = start().and_now(["a"]).cursor
    assert read(cursor, "Dipirona em CRIANÇA", NONE).has("a")


@pytest.mark.parametrize(
    ("text", "filters"), [("dipirona", NONE), (QUESTION, Filters(audience="patient")), (QUESTION, Filters(section=Section.POSOLOGY))]
)
def test_a_cursor_of_another_question_is_refused(text: str, filters: Filters) -> None:
    """It would leave out what this one never gave."""
    with pytest.raises(BadCursor, match="another question"):
        read(start().and_now(["a"]).cursor, text, filters)


@given(st.integers(min_value=0, max_value=200), st.sampled_from("Az09_-=+/ é\x00"))
def test_a_cursor_with_another_letter_is_refused(place: int, letter: str) -> None:
    """Copied wrongly or made up: said, not guessed."""
    cursor = start().and_now(map(str, range(10))).cursor
    place %= len(cursor)
    if cursor[place] != letter:
        with pytest.raises(BadCursor, match="start over"):
            read(cursor[:place] + letter + cursor[place + 1 :], QUESTION, NONE)


@given(st.text(min_size=1, max_size=40))
def test_whatever_is_no_cursor_is_refused(text: str) -> None:
    """And nothing else is raised."""
    with pytest.raises(BadCursor):
        read(text, QUESTION, NONE)


def test_a_cursor_cut_short_is_refused() -> None:
    """It would give again what was given."""
    cursor = start().and_now(map(str, range(10))).cursor
    for length in range(1, len(cursor)):
        with pytest.raises(BadCursor):
            read(cursor[:length], QUESTION, NONE)


def test_no_word_of_the_question_is_in_its_cursor() -> None:
    """And after ten results it is short."""
    cursor = start().and_now(map(str, range(10))).cursor
    assert len(cursor) == 70
    assert QUESTION[:4] not in cursor
