"""Dates, ages, doses, alike names and smaller questions as an attendant reads them: the filters of the page's templates.

Pure but for the clock of `ago`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

# Brasília's time, which Brazilian labels and laws are dated in; a desk in Manaus or Rio Branco reads the same clock.
BRASILIA = ZoneInfo("America/Sao_Paulo")
_DECIMAL = re.compile(r"(?<=\d)\.(?=\d)")
_BEFORE_UNIT = re.compile(r"(?<=\d)(?=[a-zµ%])")
_UNIT = re.compile(r"[a-z]+")
_WRITTEN = {"ui": "UI", "ml": "mL", "dl": "dL", "meq": "mEq", "mci": "mCi"}
_DIFFERING = re.compile(r"[A-ZÀ-ÖØ-Þ]+")
_WORD = re.compile(r"[^\W_]+")


def day(moment: str) -> str:
    """The day of an ISO 8601 moment: "14/09/2026"."""
    return datetime.fromisoformat(moment).astimezone(BRASILIA).strftime("%d/%m/%Y")


def minute(moment: str) -> str:
    """The day and minute of an ISO 8601 moment: "14/09/2026 às 10:30"."""
    return datetime.fromisoformat(moment).astimezone(BRASILIA).strftime("%d/%m/%Y às %H:%M")


def ago(moment: str) -> str:
    """How long ago an ISO 8601 moment was, in one unit: "há 12 min"."""
    return lasting((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def lasting(seconds: float) -> str:
    """How long ago something was that many seconds ago, in one unit: "há 12 min"."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "há menos de 1 min"
    if minutes < 60:  # an hour
        return f"há {minutes} min"
    hours = minutes // 60
    return f"há {hours} h" if hours < 48 else f"há {hours // 24} dias"  # up to two days, hours say more


def dose(canonical: str) -> str:
    """A canonical dose as leaflets print it: "0.5mg" is "0,5 mg"."""
    apart = _BEFORE_UNIT.sub("\u00a0", _DECIMAL.sub(",", canonical))
    return _UNIT.sub(lambda unit: _WRITTEN.get(unit.group(), unit.group()), apart)


def contrast(name: str) -> Markup:
    """A name with its capitals, where it differs from one alike, set apart: "hidroxi<b>ZIN</b>a"."""
    parts = [f"<b>{escape(part)}</b>" if _DIFFERING.fullmatch(part) else str(escape(part)) for part in re.split(r"([A-ZÀ-ÖØ-Þ]+)", name)]
    return Markup("".join(parts))  # noqa: S704  # each part is escaped above


def left_out(question: str, smaller: str) -> str:
    """The words of a question that a smaller one does without, as they were typed: "com sarampo"."""
    kept = {word.casefold() for word in _WORD.findall(smaller)}
    return " ".join(word for word in _WORD.findall(question) if word.casefold() not in kept)


FILTERS: Mapping[str, Callable[..., str]] = {
    "day": day,
    "minute": minute,
    "ago": ago,
    "lasting": lasting,
    "dose": dose,
    "contrast": contrast,
    "left_out": left_out,
}
