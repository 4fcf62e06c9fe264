"""What the page says of dates, ages, doses and alike names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from searchapi.page.words import ago, contrast, day, dose, left_out, minute


def test_a_moment_is_told_in_brasilia_time() -> None:
    """The index holds UTC; a leaflet changed late on the 13th is not of the 14th for the desk."""
    assert day("2026-09-14T01:30:00.000Z") == "13/09/2026"
    assert minute("2026-09-14T01:30:00.000Z") == "13/09/2026 às 22:30"


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (timedelta(seconds=-90), "há menos de 1 min"),
        (timedelta(seconds=59), "há menos de 1 min"),
        (timedelta(minutes=12, seconds=30), "há 12 min"),
        (timedelta(minutes=60), "há 1 h"),
        (timedelta(hours=47, minutes=59), "há 47 h"),
        (timedelta(hours=48), "há 2 dias"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(since: timedelta, told: str) -> None:
    """Never rounded up: nothing is told older than it is. A clock that is behind tells no negative age."""
    assert ago((datetime.now(UTC) - since).isoformat()) == told


@pytest.mark.parametrize(
    ("canonical", "printed"), [("500mg", "500 mg"), ("0.5mg", "0,5 mg"), ("100ui/ml", "100 UI/mL"), ("62.5mg/5ml", "62,5 mg/5 mL")]
)
def test_a_dose_is_told_as_leaflets_print_it(canonical: str, printed: str) -> None:
    """A decimal comma, and a blank that does not break before the unit."""
    assert dose(canonical).replace("\u00a0", " ") == printed


def test_differing_letters_stand_out_and_markup_does_not_pass() -> None:
    """Names come from ERPs: only our own tags leave as markup."""
    assert contrast("hidroxiZINa") == Markup("hidroxi<b>ZIN</b>a")
    assert contrast("<i>A&B") == Markup("&lt;i&gt;<b>A</b>&amp;<b>B</b>")


@pytest.mark.parametrize(
    ("question", "smaller", "told"),
    [
        ("gravidez sarampo hipopotamo", "gravidez sarampo", "hipopotamo"),
        ("dor, com Hipopótamo?", "dor", "com Hipopótamo"),
        ("febre alta", "febre alta", ""),
    ],
)
def test_what_a_smaller_question_leaves_out_is_told_as_it_was_typed(question: str, smaller: str, told: str) -> None:
    """The attendant is to see which of their words is not asked any more."""
    assert left_out(question, smaller) == told
