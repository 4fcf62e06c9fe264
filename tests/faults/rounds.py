"""The kinds of rounds of a campaign: each starts one or two indexers among failing ERPs and does something bad to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from random import Random

from opensearch.generations import Indices
from tests.faults.erps import HttpErp
from tests.faults.house import LEASE, PATIENCE, House, end_of
from tests.faults.processes import Process
from tests.faults.proxy import Action, Forward, Reply, Trap, lost, refused, refused_items, reset
from tests.sources.standin import Request

# Each boundary between two stages, as the request at which the indexer is killed: before OpenSearch hears of it, or once it is done.
BOUNDARIES = (
    ("prepare", 2),
    ("cursor read", 1),
    ("cursor moved", 1),
    ("mget", 1),
    ("cursor read", 8),
    ("bulk", 1),
    ("bulk", 2),
    ("rejected read", 1),
    ("history kept", 1),
    ("reject kept", 1),
    ("cursor moved", 6),
    ("cursor moved", 8),
    ("refresh", 1),
)
REINDEX_STEPS = ("generation made", "read whole", "bulk", "write block", "alias swapped", "operation moved", "any")


Round = Callable[[House], None]


def bag(house: House) -> list[Round]:
    """One of each kind of round, with every boundary once, in random order."""
    rounds: list[Round] = [
        *(partial(_killed, step=step, nth=nth, after=house.chance.random() < 0.5) for step, nth in BOUNDARIES),
        _plain,
        _two_at_once,
        _stopped,
        _late_bulk,
        _killed_at_an_erp,
        _clock_stepped,
        _node_ends,
        _write_block,
        _redis_killed,
        _erp_clock_stepped,
        _running,
    ]
    if house.can_reindex:
        rounds += [_reindexed, _reindex_killed, _reindex_killed, _rolled_back]
    house.chance.shuffle(rounds)
    return rounds


def _plain(house: House) -> None:
    with house.tormented(), house.process("sync", traps=partial(_index_faults, house.chance)):
        pass


def _two_at_once(house: House) -> None:
    house.tally("two indexers at once")
    faults = partial(_index_faults, house.chance)
    with house.tormented(), house.process("sync", traps=faults), house.process("sync", "--full", traps=faults):
        pass


def _killed(house: House, *, step: str, nth: int, after: bool) -> None:
    """One is killed at a boundary; another, at work beside it, goes on."""
    kind = f"indexer killed {'after' if after else 'before'}: {step}"

    def traps(process: Process) -> list[Trap]:
        return [Trap(kind, step, nth, _killing(process, after=after))]

    with house.tormented(), house.process("sync", "--full", traps=traps):
        if house.chance.random() < 0.5:
            with house.process("sync", traps=partial(_index_faults, house.chance)):
                pass


def _killed_at_an_erp(house: House) -> None:
    """Killed while it asks an ERP for a page."""
    with house.tormented(), house.process("sync", "--full") as process:

        def kill(erp: HttpErp, _request: Request) -> None:
            if not process.killed:
                process.kill()
                house.tally("indexer killed at: an ERP's page", erp.shelf.source)

        chosen = house.chance.choice([erp for erp in house.erps if isinstance(erp, HttpErp)])
        chosen.between = kill


def _stopped(house: House) -> None:
    """One stands still longer than its lease, between two requests; another takes its sources over; the first wakes up."""
    step, nth = house.chance.choice((("mget", 2), ("cursor read", 7), ("cursor moved", 3), ("bulk", 1)))
    at = threading.Event()

    def traps(process: Process) -> list[Trap]:
        def stop(forward: Forward, body: bytes) -> Reply | None:
            process.stop()
            at.set()
            return forward(body)

        return [Trap(f"indexer stopped at: {step}", step, nth, stop)]

    with house.tormented(), house.process("sync", "--full", traps=traps) as process:
        if at.wait(20):
            house.change(4)
            time.sleep(3 * LEASE)
            with house.process("sync", "--full"):
                pass
            house.change(4)
        process.go_on()


def _late_bulk(house: House) -> None:
    """A bulk is on its way for longer than the lease, its sender standing still; another writes newer leaflets meanwhile."""
    at, released = threading.Event(), threading.Event()

    def traps(process: Process) -> list[Trap]:
        def hold(forward: Forward, body: bytes) -> Reply | None:
            process.stop()
            at.set()
            released.wait(60)
            return forward(body)

        return [Trap("bulk that arrives late", "bulk", 1, hold)]

    house.change(6)
    with house.tormented(), house.process("sync", "--full", traps=traps) as process:
        if at.wait(20):
            house.change(10)
            time.sleep(3 * LEASE)
            with house.process("sync", "--full"):
                pass
        released.set()
        time.sleep(0.3)
        process.go_on()


def _clock_stepped(house: House) -> None:
    """One whose own clock is wrong, then one whose clock is right."""
    step = house.chance.choice((-3600, -120))
    house.tally("our clock stepped back")
    with house.tormented(), house.process("sync", clock=step):
        pass
    with house.tormented(), house.process("sync"):
        pass


def _erp_clock_stepped(house: House) -> None:
    """The ERPs' clocks go wrong and are set right again."""
    for erp in house.erps:
        forward = house.chance.random() < 0.5
        erp.shelf.clock = timedelta(minutes=house.chance.randint(1, 120)) * (1 if forward else -1)
        house.tally("ERP clock stepped forward" if forward else "ERP clock stepped back", erp.shelf.source)
    house.change(6)
    with house.tormented(), house.process("sync"):
        pass
    for erp in house.erps:
        erp.shelf.clock = timedelta()


def _node_ends(house: House) -> None:
    """OpenSearch goes in the middle of a sync, and comes back while it goes on."""
    kill = house.chance.random() < 0.7
    kind = "OpenSearch killed" if kill else "OpenSearch restarted"
    gone = threading.Event()

    def traps(_: Process) -> list[Trap]:
        def end(_forward: Forward, _body: bytes) -> None:
            house.node.end(kill=kill)
            gone.set()

        return [Trap(kind, house.chance.choice(("bulk", "mget", "cursor moved")), 2, end)]

    with house.tormented(), house.process("sync", "--full", traps=traps):
        if gone.wait(20):
            house.node.start()


def _write_block(house: House) -> None:
    """The index takes no writes for a while: a disk that is nearly full, or the last step of a reindex."""

    def traps(_: Process) -> list[Trap]:
        def block(forward: Forward, body: bytes) -> Reply | None:
            _block(house, on=True)
            threading.Timer(1.5, _block, args=(house,), kwargs={"on": False}).start()
            return forward(body)

        return [Trap("OpenSearch write block", "bulk", 1, block)]

    house.change(6)
    with house.tormented(), house.process("sync", "--full", traps=traps):
        time.sleep(2)
    _block(house, on=False)


def _block(house: House, *, on: bool) -> None:
    house.client.indices.put_settings(index=Indices().alias, body={"index.blocks.write": on or None})


def _redis_killed(house: House) -> None:
    """The cache goes; what is asked is answered all the same."""
    house.tally("Redis killed")
    with house.without_redis():
        house.ask_the_desk()
        with house.tormented(), house.process("sync"):
            pass
        house.ask_the_desk()


def _running(house: House) -> None:
    """`indexer run` at a quick pace through faults, told to end in the middle."""
    with house.tormented(), house.process("run", traps=partial(_index_faults, house.chance), SYNC_EVERY="1s") as process:
        time.sleep(house.chance.uniform(3, 6))
        house.tally("indexer told to end (SIGTERM)")
        process.end()
        began = time.monotonic()
        status = process.wait(PATIENCE)
        took = time.monotonic() - began
        if status != 0 or took > 10:
            house.complaints.append(f"`indexer run` ended with {status} {took:.1f} s after SIGTERM: {end_of(process.said)}")


def _reindexed(house: House) -> None:
    house.tally("reindex in the middle of a sync")
    with house.tormented(), house.process("sync", "--full", traps=partial(_index_faults, house.chance)), house.process("reindex"):
        pass


def _rolled_back(house: House) -> None:
    house.tally("rollback in the middle of a sync")
    with house.tormented(), house.process("sync", "--full", traps=partial(_index_faults, house.chance)), house.process("rollback"):
        pass


def _reindex_killed(house: House) -> None:
    step = house.chance.choice(REINDEX_STEPS)
    nth = house.chance.randint(1, 60) if step == "any" else house.chance.randint(1, 2)
    after = house.chance.random() < 0.5
    kind = f"reindex killed {'after' if after else 'before'}: {step}"

    def traps(process: Process) -> list[Trap]:
        return [Trap(kind, step, nth, _killing(process, after=after))]

    with house.tormented(), house.process("reindex", traps=traps), house.process("sync", traps=partial(_index_faults, house.chance)):
        pass


def _index_faults(chance: Random, _: Process) -> list[Trap]:
    """One to four of OpenSearch's bad moments."""
    bulk: list[tuple[str, Action]] = [
        ("bulk refused with 429", refused(429)),
        ("bulk refused with 503", refused(503)),
        ("bulk items refused with 429", refused_items(429)),
        ("bulk items refused with 503", refused_items(503)),
        ("bulk reset", reset),
        ("bulk done, answer lost", lost),
    ]
    others = [
        Trap("cursor moved, answer lost", "cursor moved", chance.randint(1, 10), lost),
        Trap("cursor not moved: reset", "cursor moved", chance.randint(1, 10), reset),
        Trap("mget reset", "mget", chance.randint(1, 4), reset),
        Trap("mget refused with 503", "mget", chance.randint(1, 4), refused(503)),
        Trap("mget refused with 429", "mget", chance.randint(1, 4), refused(429)),
        Trap("cursor not moved: 503", "cursor moved", chance.randint(1, 10), refused(503)),
        Trap("cursor not read: reset", "cursor read", chance.randint(1, 8), reset),
        Trap("reject kept, answer lost", "reject kept", 1, lost),
        Trap("reject not kept: 429", "reject kept", 1, refused(429)),
        Trap("reject forgotten, answer lost", "reject forgotten", 1, lost),
        Trap("rejects not read: 503", "rejected read", chance.randint(1, 3), refused(503)),
        Trap("index not prepared: 503", "prepare", chance.randint(1, 6), refused(503)),
        Trap("index not prepared: reset", "prepare", chance.randint(1, 6), reset),
        Trap("history not kept: 503", "history kept", chance.randint(1, 3), refused(503)),
        Trap("history items refused with 429", "history kept", chance.randint(1, 3), refused_items(429)),
        Trap("refresh refused with 429", "refresh", chance.randint(1, 2), refused(429)),
    ]
    picked = [Trap(kind, "bulk", chance.randint(1, 4), action) for kind, action in chance.sample(bulk, 2)]
    return picked + chance.sample(others, chance.randint(0, 2))


def _killing(process: Process, *, after: bool) -> Action:
    def kill(forward: Forward, body: bytes) -> None:
        if after:
            forward(body)
        process.kill()

    return kill
