"""Parameters: what may be asked, and what is said of what may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from leaflets import Section
from searchapi.params import SEARCH, BadParameter, Question, known, tidy
from searchapi.params import search as asked_of_search
from searchapi.query import Filters, Window


def search(given_: dict[str, str]) -> Question:
    """The question of an address with these parameters."""
    return asked_of_search(known(MultiDict(given_), SEARCH))


def test_a_whole_question_is_read() -> None:
    """Every parameter of INTERFACE."""
    given_ = {"q": " dipirona  em crianca ", "audience": "patient", "section": "posology", "source": "matriz", "page": "2", "size": "5"}
    read = search(given_)
    assert read.text == "dipirona em crianca"
    assert read.filters == Filters("patient", Section.POSOLOGY, "", "matriz")
    assert read.window == Window(2, 5)


@pytest.mark.parametrize(
    ("given_", "parameter", "said"),
    [
        ({}, "q", "q is empty"),
        ({"q": "\x00\x1f \u200b"}, "q", "q is empty"),
        ({"q": '"(*:*'}, "q", "q is empty"),
        ({"q": "a" * 10_000}, "q", "q has 10000 characters, at most 300"),
        ({"q": "x", "page": "0"}, "page", "page must be a whole number from 1 to 1000"),
        ({"q": "x", "page": "-1"}, "page", "whole number"),
        ({"q": "x", "page": "9" * 5000}, "page", "whole number"),
        ({"q": "x", "page": "²"}, "page", "whole number"),
        ({"q": "x", "size": "10000"}, "size", "size must be a whole number from 1 to 50"),
        ({"q": "x", "page": "101", "size": "10"}, "page", "beyond the first 1000"),
        ({"q": "x", "audience": "doctor"}, "audience", "patient, professional, unknown"),
        ({"q": "x", "section": "dose"}, "section", "posology"),
        ({"q": "x", "sectoin": "posology"}, "sectoin", "did you mean section?"),
        ({"q": "x", "Section": "posology"}, "Section", "did you mean section?"),
        ({"Q": "x"}, "Q", "did you mean q?"),
        ({"q": "x", "laboratory": "l" * 301}, "laboratory", "laboratory has 301 characters"),
        ({"q": "x", "cursor": "y"}, "cursor", "this is no cursor"),
        ({"q": "x", "cursor": "y", "page": "2"}, "cursor", "stands in place of page"),
    ],
)
def test_each_wrong_parameter_is_named_with_what_it_may_be(given_: dict[str, str], parameter: str, said: str) -> None:
    """Whoever calls can mend it at once."""
    with pytest.raises(BadParameter) as error:
        search(given_)
    assert error.value.parameter == parameter
    assert said in str(error.value)


@given(st.text())
def test_tidy_text_has_no_control_characters(text: str) -> None:
    """They are the stuff of forged log lines and headers."""
    assert tidy(text).isprintable() or not tidy(text)
    assert tidy(tidy(text)) == tidy(text)


def test_a_parameter_given_twice_is_named() -> None:
    """Nobody guesses which of the two is meant."""
    with pytest.raises(BadParameter, match="q was given 2 times") as error:
        known(MultiDict([("q", "dipirona"), ("q", "losartana")]), SEARCH)
    assert error.value.parameter == "q"


def test_an_address_without_parameters_says_so() -> None:
    """There is no nearest one."""
    with pytest.raises(BadParameter, match="this address takes none"):
        known(MultiDict({"q": "x"}), ())
