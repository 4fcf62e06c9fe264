"""The breaker alone, with a clock of the test's own: when it opens, who probes, and what it remembers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import pytest

from indexer.breaker import FAILURES, Breaker, BreakerOpen, BreakerState
from indexer.sources.base import Busy, SourceChanged, SourceDown, SourceRefused

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Both clocks of a breaker, moved by the test."""

    seconds: float = 0.0
    stepped: timedelta = field(default_factory=timedelta)

    def monotonic(self) -> float:
        """Since some beginning."""
        return self.seconds

    def now(self) -> datetime:
        """By the wall, which may be stepped."""
        return NOON + timedelta(seconds=self.seconds) + self.stepped


def breaker_of(clock: Clock, *, patience: float = 20, chance: float = 0.0) -> Breaker:
    """A breaker with this clock."""
    return Breaker("erp", patience, clock=clock.monotonic, now=clock.now, chance=lambda: chance)


def down() -> str:
    """A request that fails."""
    raise SourceDown("erp answered 503")


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    """So many requests that fail."""
    for _ in range(times):
        with pytest.raises(SourceDown, match="503"):
            breaker.call(down)


def blocked() -> str:
    """A request that is answered with how long to wait."""
    message = "erp answered 425"
    raise Busy(message, 1678)


def unmade() -> str:
    """A request that must not be made."""
    pytest.fail("the ERP was asked")


def test_five_failures_in_a_row_open_it() -> None:
    """What comes then is not asked at all, and hears since when, until when, how often and why."""
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker, FAILURES - 1)
    assert breaker.state() == BreakerState("closed", FAILURES - 1)
    clock.seconds = 60
    fail(breaker, 1)
    with pytest.raises(BreakerOpen, match=r"5 requests .* since 2026-11-02 12:01:00 UTC.* until 2026-11-02 12:01:30 UTC.* 503") as opened:
        breaker.call(unmade)
    assert opened.value.since == NOON + timedelta(seconds=60)
    assert opened.value.until == NOON + timedelta(seconds=90)
    assert breaker.state() == BreakerState("open", FAILURES, NOON + timedelta(seconds=90))


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    """Only those in a row speak of an ERP that is down."""
    breaker = breaker_of(Clock())
    fail(breaker, FAILURES - 1)
    assert breaker.call(lambda: "answer") == "answer"
    fail(breaker, FAILURES - 1)
    assert breaker.closed


@pytest.mark.parametrize("kind", [SourceRefused, SourceChanged])
def test_an_answer_that_was_not_wanted_is_one(kind: type[Exception]) -> None:
    """The ERP is well; it is us or its shape that a person must mend. So the probe that hears it closes the breaker."""
    clock = Clock()
    breaker = breaker_of(clock)

    def refused() -> None:
        raise kind("no")

    for _ in range(2 * FAILURES):
        with pytest.raises(kind, match="no"):
            breaker.call(refused)
    fail(breaker)
    clock.seconds = 30
    with pytest.raises(kind, match="no"):
        breaker.call(refused)
    assert breaker.state() == BreakerState()


def test_cool_downs_double_up_to_a_quarter_of_an_hour() -> None:
    """From half a minute, each a probe that failed; an answer ends it all."""
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker)
    waits = []
    for _ in range(8):
        until = breaker.state().retry_at
        assert until is not None
        waits.append((until - clock.now()).total_seconds())
        clock.seconds += waits[-1] - 0.001
        with pytest.raises(BreakerOpen):
            breaker.call(unmade)
        clock.seconds += 0.002
        fail(breaker, 1)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    clock.seconds += 900
    breaker.call(lambda: "answer")
    assert breaker.state() == BreakerState()


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 30), (0.5, 27), (1.0, 24)])
def test_the_last_part_of_a_cool_down_is_chance(chance: float, seconds: float) -> None:
    """Sources of one host do not all come back at the same moment."""
    breaker = breaker_of(Clock(), chance=chance)
    fail(breaker)
    assert breaker.state().retry_at == NOON + timedelta(seconds=seconds)


def test_calls_overlap() -> None:
    """Eight requests are under way at once: each ends only when all have begun."""
    breaker = breaker_of(Clock())
    together = Barrier(8, timeout=20)
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda _: breaker.call(together.wait), range(8)))) == 8


def test_those_that_were_under_way_when_it_opened_count_once() -> None:
    """Eight fail together: five open it, and the other three do not lengthen the cool-down, nor fail the probe that comes after."""
    clock = Clock()
    breaker = breaker_of(clock)
    begun, late = Barrier(9, timeout=20), Event()

    def slow() -> None:
        begun.wait()
        late.wait(20)
        raise SourceDown("erp answered 503")

    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(breaker.call, slow) for _ in range(8)]
        begun.wait()
        late.set()
        assert all(isinstance(call.exception(), SourceDown) for call in calls)
    assert breaker.state() == BreakerState("open", FAILURES, NOON + timedelta(seconds=30))


@dataclass
class Probe:
    """A probe that is under way until `verdict` is set, and seven calls that came while it was."""

    breaker: Breaker
    error: BaseException | None
    made: list[str] = field(default_factory=list)
    asked: Event = field(default_factory=Event)
    verdict: Event = field(default_factory=Event)

    def probe(self) -> str:
        """The first request."""
        self.made.append("probe")
        self.asked.set()
        self.verdict.wait(20)
        if self.error:
            raise self.error
        return "answer"

    def other(self) -> str:
        """Any other."""
        self.made.append("other")
        return "answer"

    def ended(self, threads: ThreadPoolExecutor) -> list[Future[str]]:
        """All eight calls, ended; the probe's verdict comes when the others wait."""
        calls = [threads.submit(self.breaker.call, self.probe)]
        self.asked.wait(20)
        calls += [threads.submit(self.breaker.call, self.other) for _ in range(7)]
        assert self.made == ["probe"]
        self.verdict.set()
        for call in calls:
            call.exception()
        return calls


def opened(clock: Clock, patience: float = 20) -> Breaker:
    """A breaker whose cool-down has just passed."""
    breaker = breaker_of(clock, patience=patience)
    fail(breaker)
    clock.seconds += 30
    return breaker


def test_one_request_probes_and_the_others_go_when_it_was_answered() -> None:
    """None of the seven is asked before, and none is refused."""
    probe = Probe(opened(Clock()), None)
    with ThreadPoolExecutor(8) as threads:
        calls = probe.ended(threads)
    assert [call.result() for call in calls] == ["answer"] * 8
    assert probe.made == ["probe"] + ["other"] * 7


def test_one_request_probes_and_the_others_are_not_made_when_it_failed() -> None:
    """An ERP that is still down was asked once."""
    probe = Probe(opened(Clock()), SourceDown("still down"))
    with ThreadPoolExecutor(8) as threads:
        errors = [call.exception() for call in probe.ended(threads)]
    assert probe.made == ["probe"]
    assert [type(error) for error in errors] == [SourceDown] + [BreakerOpen] * 7
    assert probe.breaker.state().failures == FAILURES + 1


def test_who_waits_for_a_probe_waits_only_so_long() -> None:
    """A probe that hangs holds up nobody for ever."""
    probe = Probe(opened(Clock(), patience=0.01), None)
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(probe.breaker.call, probe.probe)
        probe.asked.wait(20)
        with pytest.raises(BreakerOpen):
            probe.breaker.call(unmade)
        probe.verdict.set()
        assert hanging.result() == "answer"


def test_a_probe_that_was_interrupted_leaves_the_probing_to_the_next() -> None:
    """It says nothing of the ERP, neither good nor bad."""
    breaker = opened(Clock())
    probe = Probe(breaker, KeyboardInterrupt())
    probe.verdict.set()
    with pytest.raises(KeyboardInterrupt):
        breaker.call(probe.probe)
    assert breaker.state() == BreakerState("open", FAILURES, NOON + timedelta(seconds=30))
    assert breaker.call(lambda: "answer") == "answer"
    assert breaker.closed


def test_it_goes_on_in_another_run_where_it_was() -> None:
    """As when cron starts one process after the other: failures add up, and what is open stays so for the rest of its time."""
    counting = breaker_of(Clock())
    fail(counting, FAILURES - 1)
    again = breaker_of(Clock())
    again.restore(counting.state())
    fail(again, 1)
    assert not again.closed
    clock = Clock(seconds=10)
    third = breaker_of(clock)
    third.restore(again.state())
    with pytest.raises(BreakerOpen, match=r"5 requests .* until 2026-11-02 12:00:30 UTC"):
        third.call(unmade)
    clock.seconds += 20
    assert third.call(lambda: "answer") == "answer"


def test_what_it_saw_itself_is_not_forgotten_when_it_is_told_its_own_state() -> None:
    """As in `indexer run`, which keeps the state after each pull and restores it before the next; another run's it cannot know."""
    breaker = breaker_of(Clock())
    fail(breaker)
    breaker.restore(breaker.state())
    with pytest.raises(BreakerOpen, match=r"since 2026-11-02 12:00:00 UTC.*; the last: erp answered 503"):
        breaker.call(unmade)
    breaker.restore(BreakerState("open", FAILURES + 3, NOON + timedelta(seconds=30)))
    with pytest.raises(BreakerOpen) as told:
        breaker.call(unmade)
    assert told.value.since is None
    assert "the last" not in str(told.value)


@pytest.mark.parametrize(("failures", "longest"), [(FAILURES, 30), (FAILURES + 2, 120), (1000, 900)])
def test_a_clock_that_stepped_back_locks_no_source_out(failures: int, longest: float) -> None:
    """The end that was kept may lie a year ahead: nobody waits longer than the cool-down."""
    breaker = breaker_of(Clock())
    breaker.restore(BreakerState("open", failures, NOON + timedelta(days=365)))
    assert breaker.state() == BreakerState("open", failures, NOON + timedelta(seconds=longest))


def test_an_erp_that_says_how_long_it_is_left_alone_is_left_alone_so_long() -> None:
    """At once, by a person too, and in the next process; but for no longer than an hour, whatever it or a clock says."""
    clock = Clock()
    breaker = breaker_of(clock)
    with pytest.raises(Busy):
        breaker.call(blocked)
    again = breaker_of(clock)
    again.restore(breaker.state())
    again.probe_now()
    clock.seconds += 1677
    with pytest.raises(BreakerOpen, match="it asked to be left alone"):
        again.call(unmade)
    clock.seconds += 1
    assert again.call(lambda: "answer") == "answer"
    assert again.state() == BreakerState()
    again.restore(BreakerState("open", 1, NOON + timedelta(days=365), 1e9))
    assert again.state().retry_at == clock.now() + timedelta(hours=1)


def test_a_step_of_the_clock_neither_shortens_nor_lengthens_a_cool_down() -> None:
    """Within one run it is measured by a clock that does not step."""
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker)
    clock.stepped = timedelta(hours=1)
    with pytest.raises(BreakerOpen):
        breaker.call(unmade)
    clock.stepped = -timedelta(hours=1)
    clock.seconds = 30
    assert breaker.call(lambda: "answer") == "answer"


@pytest.mark.parametrize("kept", [BreakerState("half_open", FAILURES, NOON), BreakerState("open", FAILURES, None)])
def test_a_probe_whose_verdict_was_lost_is_made_again(kept: BreakerState) -> None:
    """As when the process was killed in the midst of it."""
    breaker = breaker_of(Clock())
    breaker.restore(kept)
    fail(breaker, 1)
    assert breaker.state() == BreakerState("open", FAILURES + 1, NOON + timedelta(seconds=60))


def test_a_person_need_not_wait_for_the_cool_down() -> None:
    """`probe_now` lets one request go; it fails for all, and opens nothing that is closed."""
    breaker = breaker_of(Clock())
    breaker.probe_now()
    assert breaker.closed
    fail(breaker)
    breaker.probe_now()
    fail(breaker, 1)
    with pytest.raises(BreakerOpen):
        breaker.call(unmade)
