"""The doses a text names, the same for a question and a leaflet: "1.000 mg" -> "1000mg", "0,5 mg" -> "0.5mg", "250 mg/5 mL" -> "250mg/5ml".

Numbers are Brazilian: a comma is the decimal mark ("1,000 mg" is one milligram), a point before groups of three digits parts
thousands ("1.000 mg" is a thousand: 9 % of leaflets write so), any other point is a decimal mark too ("0.125 mg", "2.5 mg").

A dose is told as it is printed: "1 g" is not made "1000mg", nor "250 mg/5 mL" "50mg/ml". Numbers that share a unit or a volume get it:
"10 e 20 mg", "50/12,5 mg", "250 mg + 62,5 mg/5 mL". Not doses: times, ages, weights (kg), lengths, temperatures, counts of tablets or
drops, numbers in words. "500 mg/comprimido" is "500mg"; "10 mg/kg/dia" stays whole, so that it is never found as ten milligrams.
"""

from __future__ import annotations

import re
from typing import Final

from leaflets.text import bare

# The forms of a unit in folded text.
_UNITS: Final = {
    "mg": "miligramas?|mgs?",
    "mcg": "microgramas?|mcgs?|[µμu]g",
    "g": "gramas?|grs?|g",
    # "30 unidades" alone are thirty tablets.
    "ui": r"unidades? internacionais|unidades?(?=\s*/\s*m?[lg]\b)|u\.?i\.?|iu|u",
    "ml": "mililitros?|mls?",
    "meq": "meq",
    "mmol": "mmol",
    "mci": "mci",
    "percent": "%|por cento",
}
_DENOMINATORS: Final = {
    "ml": "mililitros?|ml",
    "dl": "dl",
    "l": "litros?|l",
    "g": "gramas?|g",
    "mg": "mg",
    "kg": "quilos?|kg",
    "m2": "m2|m²",
    "cm2": "cm2|cm²",
    "min": "minutos?|min",
    "h": "horas?|hs?",
    "dia": "dias?",
    # Whatever else a dose is per, such as a tablet or a puff, is what one takes.
    "each": "[a-z]{3,20}",
}
_SHOWN: Final = {"percent": "%", "each": ""}


def _one_of(units: dict[str, str]) -> str:
    return "(?:" + "|".join(rf"(?P<{name}>{forms})" for name, forms in units.items()).replace(" ", r"\s+") + r")(?![^\W\d_])"


_AMOUNT = r"(?:\d{1,3}(?: 000){1,3}|\d{1,9}(?:[.,]\d{1,6}){0,4})"
_SHARING = rf"(?P<sharing>(?:{_AMOUNT}(?:\s?[+/]\s?|-|,\s|\s(?:e|ou|a|ate)\s)){{0,6}})"
_DOSE = re.compile(rf"(?<![\d.,]){_SHARING}(?P<amount>{_AMOUNT})\s?{_one_of(_UNITS)}")
# The next of two or more strengths in one product.
_COMBINED = re.compile(
    rf"(?:\s?\+\s?|\s?/\s?(?=[\d., ]{{1,12}}(?:m|u|µ|μ)(?!l)))(?P<amount>{_AMOUNT})\s?"
    + _one_of({name: _UNITS[name] for name in ("mg", "mcg", "g", "ui", "meq")})
)
_PER = re.compile(rf"(?:\s?/\s?|\spor\s)(?:(?P<amount>{_AMOUNT})\s?)?{_one_of(_DENOMINATORS)}")
_AMOUNTS = re.compile(_AMOUNT)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[. ]\d{3})+")


def doses(text: str) -> tuple[str, ...]:
    """The doses in any text, canonical, sorted, each once."""
    plain = bare(text)
    found: set[str] = set()
    at = 0
    while dose := _DOSE.search(plain, at):
        unit = _unit(dose)
        told = [(amount, unit) for amount in (*_AMOUNTS.findall(dose["sharing"]), dose["amount"])]
        at = dose.end()
        while combined := _COMBINED.match(plain, at):
            told.append((combined["amount"], _unit(combined)))
            at = combined.end()
        per = ""
        while denominator := _PER.match(plain, at):
            per += _per(denominator)
            at = denominator.end()
        found.update(number + unit + per for amount, unit in told if (number := _number(amount)))
    return tuple(sorted(found))


def _unit(found: re.Match[str]) -> str:
    name = found.lastgroup or ""
    return _SHOWN.get(name, name)


def _per(found: re.Match[str]) -> str:
    unit = _unit(found)
    amount = _number(found["amount"] or "1")
    return f"/{'' if amount == '1' else amount}{unit}" if unit else ""


def _number(amount: str) -> str:
    """A Brazilian number with a point for its decimal mark, without needless zeros; empty for what is no number ("1.2.3") and for 0."""
    comma, point = amount.rfind(","), amount.rfind(".")
    if amount.count(",") == 1 and comma > point:
        plain = amount.replace(".", "").replace(",", ".")
    elif comma < 0 and _THOUSANDS.fullmatch(amount):
        plain = amount.replace(".", "").replace(" ", "")
    else:
        # What commas are left part thousands, in texts taken from English.
        plain = amount.replace(",", "")
    whole, _, fraction = plain.partition(".")
    if not (whole + fraction).isdigit() or not (whole + fraction).strip("0"):
        return ""
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
