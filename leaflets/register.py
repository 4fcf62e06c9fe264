"""What ANVISA's register says of a product, in the words of ERPs, of ANVISA's open data and of leaflets.

Its category, and whether its registration stands. Words that are not known say nothing; they are never an error.
"""

from __future__ import annotations

import re
from decimal import Decimal

from leaflets.leaflet import Category
from leaflets.names import key
from leaflets.text import bare

# The first that is there decides: "similar equivalente ao medicamento de referência" is a similar, and "SIMILAR (REFERÊNCIA)", as the
# price list (CMED) writes, is what others are compared with.
_CATEGORIES = (
    (Category.SIMILAR, re.compile(r"\b(?:equivalente|intercambiavel)\b")),
    (Category.REFERENCE, re.compile(r"\b(?:referencia|reference)\b")),
    (Category.GENERIC, re.compile(r"\b(?:genericos?|generic)\b|^g$")),
    (Category.SIMILAR, re.compile(r"\bsimilar(?:es)?\b|^s$")),
    (Category.BIOLOGICAL, re.compile(r"\b(?:biologicos?|biossimilar(?:es)?|biological)\b")),
    (Category.HERBAL, re.compile(r"\b(?:fitoterapicos?|herbal)\b")),
    (
        Category.OTHER,
        re.compile(
            r"\b(?:especificos?|dinamizados?|homeopaticos?|radiofarmacos?|gas(?:es)? medicina(?:l|is)|terapia avancada"
            r"|notifica(?:do|da|cao)|other)\b"
        ),
    ),
    (Category.REFERENCE, re.compile(r"\b(?:novos?|inovador|new)\b|^[nr]$")),
)
# One word that it ended is enough: "válido até 2020, cancelado a pedido".
_ENDED = re.compile(
    r"^(?:0|f|false|i|n|nao|no|tno)$|\b(?:inativ|inactiv|invalid|cancelad|caduc|vencid|expirad|suspens|indeferid|encerrad|arquivad)"
    r"|\bnao (?:ativ|valid|vigente|regular)"
)
_STANDS = re.compile(r"^(?:1|a|s|sim|t|true|tyes|y|yes)$|\b(?:ativ[oa]s?|active|valid[oa]?s?|vigente|regular)\b")
# What leaflets print of themselves: a line alone, or the law of generics, which nobody quotes of another product.
_PRINTED = (
    (Category.GENERIC, re.compile(r"\bgenerico\W{1,4}(?:\w+\W+){0,4}lei\b.{0,12}\b9\W?787")),
    (Category.SIMILAR, re.compile(r"(?m)^\W{0,3}medicamento similar\b.{0,60}$")),
    (
        Category.HERBAL,
        re.compile(r"(?m)^\W{0,3}(?:[ivx]{1,3}\W{1,4})?(?:identificacao do )?(?:medicamento|produto tradicional) fitoterapico\W{0,3}$"),
    ),
    (Category.BIOLOGICAL, re.compile(r"(?m)^\W{0,3}(?:medicamento|produto) biologico\W{0,3}$")),
    (Category.OTHER, re.compile(r"(?m)^\W{0,3}medicamento (?:especifico|homeopatico|dinamizado)\W{0,3}$")),
)
# Characters: the first pages and the legal part, where leaflets say what they are.
_FIRST, _LAST = 6_000, 6_000


def category(told: object) -> Category | None:
    """The category that an ERP's value names, if it names one."""
    written = key(told) if isinstance(told, str) else ""
    return next((meant for meant, pattern in _CATEGORIES if pattern.search(written)), None)


def active(told: object) -> bool | None:
    """Whether the registration stands, by an ERP's value; None where it does not say."""
    if isinstance(told, bool):
        return told
    written = key(str(told)) if isinstance(told, str | int | Decimal) else ""
    if _ENDED.search(written):
        return False
    return True if _STANDS.search(written) else None


def printed_category(text: str) -> Category | None:
    """The category that a leaflet's own clean text says."""
    plain = bare(text if len(text) <= _FIRST + _LAST else f"{text[:_FIRST]}\n{text[-_LAST:]}").replace("\f", "\n")
    return next((meant for meant, pattern in _PRINTED if pattern.search(plain)), None)
