"""What the stand-ins that speak OData share: a $filter that is understood or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Compare = Callable[[Any, str, str], bool]
"""Whether a row's value, an operator and a literal, as it was written, are true together; raises ValueError for what cannot be compared."""

_TOKEN = re.compile(r"\s*(\(|\)|and\b|or\b|(\w+)\s+(eq|ne|gt|ge|lt|le)\s+((?:\w+)?'(?:[^']|'')*'|[^\s()]+))", re.ASCII)


class Refused(Exception):
    """The server does not understand it."""


class Filter:
    """One $filter; `of` says whether a row meets it."""

    def __init__(self, told: str, compare: Compare) -> None:
        self._tokens: list[re.Match[str]] = []
        self._compare = compare
        at = 0
        while at < len(told.rstrip()):
            token = _TOKEN.match(told, at)
            if token is None:
                raise Refused(told[at : at + 20])
            self._tokens.append(token)
            at = token.end()
        self._at = 0

    def of(self, row: Mapping[str, Any]) -> bool:
        """Whether the row meets it."""
        if not self._tokens:
            return True
        self._at = 0
        met = self._or(row)
        if self._at != len(self._tokens):
            raise Refused(self._tokens[self._at][1])
        return met

    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _or(self, row: Mapping[str, Any]) -> bool:
        met = self._and(row)
        while self._next() == "or":
            self._at += 1
            met = self._and(row) or met
        return met

    def _and(self, row: Mapping[str, Any]) -> bool:
        met = self._one(row)
        while self._next() == "and":
            self._at += 1
            met = self._one(row) and met
        return met

    def _one(self, row: Mapping[str, Any]) -> bool:
        token = self._next()
        if token == "(":
            self._at += 1
            met = self._or(row)
            if self._next() != ")":
                raise Refused("unbalanced ( ")
            self._at += 1
            return met
        if token in ("", ")", "and", "or"):
            raise Refused(token)
        match = self._tokens[self._at]
        self._at += 1
        if match[2] not in row:
            raise Refused(f"Property '{match[2]}' is invalid")
        try:
            return self._compare(row[match[2]], match[3], match[4])
        except ValueError:
            raise Refused(match[4]) from None


def compared(value: Any, operator: str, other: Any) -> bool:
    """As OData's operators compare what may be null."""
    if value is None:
        return False
    return bool(
        {
            "eq": value == other,
            "ne": value != other,
            "gt": value > other,
            "ge": value >= other,
            "lt": value < other,
            "le": value <= other,
        }[operator]
    )


def text(literal: str) -> str:
    """What stands in a quoted literal; raises ValueError where it is none."""
    if not (len(literal) > 1 and literal[0] == literal[-1] == "'"):
        raise ValueError
    return literal[1:-1].replace("''", "'")
