"""Activations while a collector and a flow are at work: no vector lost, none of two versions, parity in lockstep."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.activations import activate
from connectors.log import Log
from connectors.log.span import last_record
from dataflows.digest import records
from schemas.codec import decode_registry_change, decode_vector
from schemas.registry import RegistryActivated
from tests.flows.programs import Program
from tests.installation import Installation

CONFIG = Path(__file__).resolve().parents[2] / "config" / "feature_registry"
SECOND = 1_000_000
NAMES = {"1.1.0": 48, "full-1": 107, "1.2.0": 9}
SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT"
COLLECT = ("collect", "--source", "demo", "--symbols", SYMBOLS, "--seconds", "3600", "--speed", "20")

pytestmark = pytest.mark.timeout(300)


def config(version: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CONFIG / f"{version}.yaml").read_text()))


@pytest.fixture
def installation(postgres, tmp_path) -> Iterator[Installation]:
    made = Installation(tmp_path / "home", postgres.start(), None, registry="1.1.0")
    made.flow = "trading"
    made.settings["LOCKSTEP_ACCOUNT"] = "paper"
    made.run("strategies", "apply", str(Path(__file__).resolve().parents[1] / "flows" / "strategies"))
    yield made


@pytest.fixture
def start(installation: Installation) -> Iterator[Callable[..., Program]]:
    """Starts verbs in the background; none of them outlives the test."""
    programs: list[Program] = []

    def begin(*arguments: str) -> Program:
        programs.append(Program(installation, *arguments))
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()


@pytest.fixture
def log(installation: Installation) -> Iterator[Log]:
    with closing(installation.log()) as opened:
        yield opened


@pytest.mark.req("FS-US-5.2", "TK-RG-06", "FS-FR-060")
def test_two_activations_and_a_rollback_under_load(
    installation: Installation, log: Log, start: Callable[..., Program]
) -> None:
    """Every second has one vector a symbol, the version changes at its second in every shard, also across a kill -9,
    and `lockstep parity` over all of it is in lockstep."""
    flow, collector, shards = start("run"), start(*COLLECT), installation.shards
    done: list[RegistryActivated] = []
    for number, (file, rollback) in enumerate((("full", False), ("1.2.0", False), ("full", True)), start=1):
        flow.until(partial(reached, log, shards, 150 * number), "vectors")
        done.append(activate(log, shards, config(file), base="1.1.0", rollback=rollback, delay=SECOND))
        flow.until(partial(passed, log, shards, done[-1].at), f"the boundary of {file}")
        if number == 2:
            flow.kill()
            flow = start("run")
    flow.until(partial(passed, log, shards, done[-1].at + 10 * SECOND), "more vectors")
    collector.tell()
    collector.end()
    flow.kill()
    installation.run("run", "--until-end")

    assert [event.previous for event in done] == ["1.1.0", "full-1", "1.2.0"]
    vectors = [
        decode_vector(found.value or b"") for shard in range(shards) for found in records(log, "features", shard)
    ]
    boundaries = [(0, "1.1.0"), *((event.at, event.version) for event in done)]
    seen: dict[str, list[int]] = defaultdict(list)
    for vector in vectors:
        seen[vector.symbol].append(vector.ts)
        assert vector.feature_registry_version == [name for at, name in boundaries if at <= vector.ts][-1]
        assert len(vector.features) == NAMES[vector.feature_registry_version]
    assert sorted(seen) == SYMBOLS.split(",")
    for times in seen.values():
        assert times == list(range(times[0], times[-1] + SECOND, SECOND))
    for shard in range(shards):
        changes = [decode_registry_change(found.value or b"") for found in records(log, "registries", shard)]
        told = [(change.at, change.version, change.late) for change in changes]
        assert told == [(event.at, event.version, False) for event in done]
    parity = json.loads(installation.run("parity", "--json"))
    assert parity["identical"] and parity["topics"]["registries"]["matches"] == 3 * shards
    assert parity["topics"]["features"]["matches"] == len(vectors)


def reached(log: Log, shards: int, vectors: int) -> bool:
    """Whether so many vectors are on the log."""
    if "features" not in {info.name for info in log.topics()}:
        return False
    return sum(log.end("features", shard) for shard in range(shards)) >= vectors


def passed(log: Log, shards: int, at: int) -> bool:
    """Whether every shard has vectors of that second."""
    newest = [last_record(log, "features", shard) for shard in range(shards)]
    return all(record is not None and record.timestamp >= at for record in newest)
