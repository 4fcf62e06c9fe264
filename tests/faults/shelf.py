"""What one stand-in ERP holds, how it changes at random, and what an index must therefore hold: the campaign's oracle.

Shelf.happen()            one change: new, edited, withdrawn, deleted without trace, put back, made unreadable, mended
Shelf.standing()          from each leaflet's id to the word that its text holds now, and no other text ever held
Shelf.unreadable()        the records that must be listed as rejected
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from leaflets import Audience

TEXT = """{name}

APRESENTAÇÕES
Comprimidos de 500 mg.

1. PARA QUE ESTE MEDICAMENTO É INDICADO?
Este texto inventado fala de {name}.

6. COMO DEVO USAR ESTE MEDICAMENTO?
Tome com água. A palavra desta versão é {word}.
"""
# Letters that an ERP's conversion lost, so many that nobody can read the rest.
BROKEN = TEXT + "\ufffd" * 200

# A few pages of each ERP: a pull that takes long meets fewer faults.
MOST = 24

_words = itertools.count(1)
_words_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, to one leaflet or, without a code, to all of its source."""

    at: datetime
    source: str
    code: str
    what: str


class Story:
    """All that happened, by time."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, source: str, code: str, what: str) -> None:
        """Adds one event."""
        self.events.append(Event(datetime.now(UTC), source, code, what))

    def of(self, source: str, code: str) -> str:
        """One leaflet's story, with what befell its source and OpenSearch meanwhile, a line an event."""
        ours = [e for e in self.events if e.source in {source, ""} and e.code in {code, ""}]
        return "\n".join(f"    {e.at:%H:%M:%S.%f} {e.code or e.source or 'all':<12} {e.what}" for e in ours)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an ERP. `dated` is what the ERP says of its last edit; `broken` is why nobody can read it, where that is so."""

    code: str
    dated: datetime
    word: str
    audience: Audience
    withdrawn: bool = False
    broken: str = ""

    @property
    def name(self) -> str:
        """The product's name."""
        return f"Remédio {self.code}"

    @property
    def text(self) -> str:
        """The leaflet's text."""
        return (BROKEN if self.broken == "letters" else TEXT).format(name=self.name, word=self.word)


@dataclass(frozen=True, slots=True)
class Habits:
    """How an ERP keeps its books.

    `tick` is the resolution of its clock; `flags`: withdrawn leaflets stay in it, marked as such; `breaks`: how its records can become
    unreadable; `audiences` are those it may give a leaflet.
    """

    tick: timedelta = timedelta(seconds=1)
    flags: bool = True
    breaks: tuple[str, ...] = ("letters", "audience")
    audiences: tuple[Audience, ...] = (Audience.PATIENT, Audience.PROFESSIONAL)


class Shelf:
    """What one ERP holds. Safe for several threads; a whole listing is taken under `lock`.

    No leaflet's date goes back, whatever the ERP's clock does: it says which of two versions is the newer (docs/adr/0007). New ones are
    dated by that clock as it is, so also before what was read already.
    """

    def __init__(self, source: str, chance: Random, story: Story, habits: Habits) -> None:
        self.source = source
        self.records: dict[str, Record] = {}
        self.changed: Counter[str] = Counter()
        self.clock = timedelta()
        self.lock = threading.RLock()
        self._chance = chance
        self._story = story
        self._habits = habits
        self._deleted: dict[str, Record] = {}
        self._numbers = itertools.count(1)

    def fill(self, count: int) -> None:
        """So many leaflets, some time ago."""
        for _ in range(count):
            self._put(self._new(self._now() - timedelta(days=self._chance.randint(1, 300))), "there from the start")

    def happen(self) -> str:
        """One change at random; gives its name."""
        kinds: dict[str, Callable[[], bool]] = {
            "edited": self._edit,
            "edited twice in one tick": self._edit_twice,
            "new": self._add,
            "new, dated in the past": self._add_late,
            "withdrawn": self._withdraw,
            "deleted without trace": self._delete,
            "put back": self._put_back,
            "made unreadable": self._break,
            "mended": self._mend,
            "of other readers": self._readers,
        }
        weights = [6, 2, 3, 1, 2, 2, 3, 2, 4, 1]
        with self.lock:
            while True:
                (kind,) = self._chance.choices(list(kinds), weights)
                if kinds[kind]():
                    self.changed[kind] += 1
                    return kind

    def delete_one(self) -> bool:
        """Takes the first record away without trace, so that all others move up; says whether there was one."""
        with self.lock:
            return self._delete(first=True)

    def standing(self) -> dict[str, str]:
        """What the index must hold: by leaflet's id the word of its text."""
        with self.lock:
            held = [r for r in self.records.values() if not r.withdrawn and not r.broken]
            return {f"{self.source}:{r.code}:{r.audience}": r.word for r in held}

    def unreadable(self) -> set[str]:
        """The ids of what must be listed as rejected."""
        with self.lock:
            return {f"{self.source}:{r.code}" for r in self.records.values() if r.broken and not r.withdrawn}

    def kept(self, record: Record) -> None:
        """For an ERP that keeps its records elsewhere too: this one is new or changed."""

    def dropped(self, code: str) -> None:
        """The same: this one is gone."""

    def _now(self) -> datetime:
        now = datetime.now(UTC) + self.clock
        return now - timedelta(microseconds=int(now.timestamp() * 1_000_000) % int(self._habits.tick / timedelta(microseconds=1)))

    def _new(self, dated: datetime) -> Record:
        return Record(f"{next(self._numbers):03}", dated, _word(), self._chance.choice(self._habits.audiences))

    def _put(self, record: Record, what: str) -> None:
        self.records[record.code] = record
        self.kept(record)
        shown = f"{record.word}, {record.audience}, dated {record.dated:%d/%m %H:%M:%S.%f}"
        self._story.tell(self.source, record.code, f"{what}: {shown}")

    def _any(self, *, broken: bool = False) -> Record | None:
        found = [r for r in self.records.values() if not r.withdrawn and bool(r.broken) == broken]
        return self._chance.choice(found) if found else None

    def _dated(self, record: Record) -> datetime:
        return max(self._now(), record.dated)

    def _edit(self) -> bool:
        if record := self._any():
            self._put(replace(record, word=_word(), dated=self._dated(record)), "edited")
        return record is not None

    def _edit_twice(self) -> bool:
        if record := self._any():
            for times in ("edited", "edited again in the same tick"):
                record = replace(record, word=_word(), dated=self._dated(record) if times == "edited" else record.dated)
                self._put(record, times)
        return record is not None

    def _add(self) -> bool:
        while len(self.records) >= MOST:
            self._delete()
        self._put(self._new(self._now()), "new")
        return True

    def _add_late(self) -> bool:
        if len(self.records) >= MOST:
            return False
        self._put(self._new(self._now() - timedelta(minutes=self._chance.randint(1, 600))), "new, but dated in the past")
        return True

    def _withdraw(self) -> bool:
        record = self._any(broken=self._chance.random() < 0.2)
        if record and self._habits.flags:
            self._put(replace(record, withdrawn=True, dated=self._dated(record)), "withdrawn")
            return True
        return False

    def _delete(self, *, first: bool = False) -> bool:
        held = sorted(self.records)
        # What few are left stay: an ERP that loses a large share at once is another story (the guard's).
        if len(held) < 6:
            return False
        code = held[0] if first else self._chance.choice(held)
        self._deleted[code] = self.records.pop(code)
        self.dropped(code)
        self._story.tell(self.source, code, "deleted without trace")
        return True

    def _put_back(self) -> bool:
        withdrawn = [r for r in self.records.values() if r.withdrawn]
        if withdrawn and self._chance.random() < 0.5:
            record = self._chance.choice(withdrawn)
            # Later than its withdrawal: an older one must stay dead.
            dated = max(self._dated(record), record.dated + self._habits.tick)
            self._put(
                replace(record, withdrawn=False, dated=dated, word=self._chance.choice([record.word, _word()])), "no longer withdrawn"
            )
            return True
        if self._deleted:
            record = self._deleted.pop(self._chance.choice(sorted(self._deleted)))
            how = self._chance.choice(("as it was", "with its old date and another text", "with a new date"))
            word = record.word if how == "as it was" else _word()
            self._put(
                replace(record, word=word, dated=self._dated(record) if how == "with a new date" else record.dated), f"put back {how}"
            )
            return True
        return False

    def _break(self) -> bool:
        if record := self._any():
            broken = self._chance.choice(self._habits.breaks)
            self._put(replace(record, broken=broken, dated=self._dated(record)), f"made unreadable ({broken})")
        return record is not None

    def _mend(self) -> bool:
        if record := self._any(broken=True):
            word = self._chance.choice([record.word, _word()])
            self._put(replace(record, broken="", word=word, dated=self._dated(record)), "mended")
        return record is not None

    def _readers(self) -> bool:
        record = self._any()
        others = [a for a in self._habits.audiences if record and a != record.audience]
        if record and others:
            self._put(replace(record, audience=others[0], dated=self._dated(record), word=_word()), "now for other readers")
            return True
        return False


def _word() -> str:
    """A word that no other version of any leaflet holds."""
    with _words_lock:
        number = next(_words)
    return "v" + "".join("abcdefghijklmnopqrstuvwxyz"[number // 26**place % 26] for place in (3, 2, 1, 0)) + "x"
