"""What must stand on the log after an outage, and how to wait for it."""

from itertools import pairwise

from connectors.log import Log
from dataflows import features as recipe
from dataflows.digest import records
from schemas.origin import HEADER, Origin
from tests.flows.programs import Program
from tests.flows.test_lockstep import Collected
from tests.installation import Installation

GROWING = "collect", "--source", "demo", "--seconds", "3600", "--speed", "10"
"""The demo exchange, ten times as fast as it happened, until it is told to end."""
LIVE = "collect", "--source", "demo"
"""The demo exchange as it happens, until it is told to end."""
ENOUGH = 120
"""Vectors after which a collector is told to end."""


def reached(installation: Installation, flow: Program, vectors: int) -> None:
    """Wait until the flow has written so many vectors."""
    log = installation.log()
    flow.until(lambda: written(log) >= vectors, f"{vectors} vectors")
    log.close()


def catches_up(installation: Installation, collector: Program, flow: Program) -> None:
    """The collector loses nothing; the flow follows to the end, and neither it nor another run repeats anything."""
    reached(installation, flow, ENOUGH)
    collector.tell()
    assert " 0 dropped" in collector.end()
    collected = Collected(installation, [])
    flow.until(lambda: collected.written("") >= collected.vectors, "all vectors")
    flow.kill()
    installation.run("run", "--until-end")
    check(collected)
    collected.log.close()


def check(collected: Collected, prefix: str = "") -> None:
    """Every topic holds what a bare engine makes of the events, in its order, each record once."""
    collected.check(prefix)
    check_origins(collected.log, collected.installation.shards, prefix)


def check_origins(log: Log, shards: int, prefix: str = "") -> None:
    """On every output shard origins rise strictly."""
    for topic in recipe.WRITES:
        for shard in range(shards):
            found = origins(log, prefix + topic, shard)
            assert all(a < b for a, b in pairwise(found)), f"{prefix}{topic}/{shard}"


def origins(log: Log, topic: str, shard: int) -> list[Origin]:
    """The origin of each record of a shard."""
    return [Origin.parse(dict(record.headers)[HEADER]) for record in records(log, topic, shard)]


def written(log: Log, prefix: str = "") -> int:
    """How many vectors are on the log."""
    topics = {info.name: info for info in log.topics()}
    if (name := f"{prefix}features") not in topics:
        return 0
    return sum(log.end(name, shard) for shard in range(topics[name].shards))
