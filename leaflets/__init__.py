"""Leaflets: text to sections, names, doses. Pure: no I/O, imports nothing of ours."""

from leaflets.leaflet import (
    Audience,
    Category,
    Change,
    Content,
    Facts,
    Leaflet,
    Passage,
    Section,
    Unreadable,
    Withdrawal,
    leaflet_id,
)

__all__ = [
    "Audience",
    "Category",
    "Change",
    "Content",
    "Facts",
    "Leaflet",
    "Passage",
    "Section",
    "Unreadable",
    "Withdrawal",
    "leaflet_id",
]
