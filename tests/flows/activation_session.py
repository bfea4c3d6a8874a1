"""A session during which feature registries are activated: twice in time, once late in one shard, and a rollback."""

from pathlib import Path
from typing import Any

import yaml

from connectors.log import Log, NewRecord
from dataflows.digest import records
from schemas.codec import decode_event, encode
from schemas.market import Tick
from schemas.registry import RegistryActivated, fingerprint
from tests.installation import Installation

CONFIG = Path(__file__).resolve().parents[2] / "config" / "feature_registry"
SECOND = 1_000_000
STORY = ((30, 35, "1.1.0"), (70, 72, "1.2.0"), (100, 95, "1.0.0"), (130, 140, "1.1.0"))
"""After so many seconds of the session, from which second on, and what; the third one is late."""
VERSIONS = ("full-1", "1.1.0", "1.2.0", "1.0.0", "1.1.0")
"""What vectors carry, one after the other."""


def collect_activations(scratch: Installation, installation: Installation, source: list[str]) -> None:
    """Collect a session, and put it on the log of ``installation`` with activations between its events."""
    scratch.run("collect", *source, "--speed", "max")
    here, there = scratch.log(), installation.log()
    there.create("events", installation.shards)
    for shard in range(installation.shards):
        there.append("events", shard, with_activations(here, shard))
    here.close()
    there.close()


def with_activations(log: Log, shard: int) -> list[NewRecord]:
    """The events of a shard, each activation right behind the tick of its second."""
    found: list[NewRecord] = []
    start, waiting = 0, list(STORY)
    for record in records(log, "events", shard):
        found.append(NewRecord(record.key, record.value, record.timestamp, record.headers))
        event = decode_event(record.value or b"")
        if isinstance(event, Tick):
            start = start or event.recv // SECOND * SECOND
            while waiting and event.recv >= start + waiting[0][0] * SECOND:
                _, at, version = waiting.pop(0)
                activated = activation(version, start + at * SECOND)
                found.append(NewRecord(None, encode(activated), record.timestamp))
    return found


def activation(version: str, at: int) -> RegistryActivated:
    """As a writer makes it."""
    config: dict[str, Any] = yaml.safe_load((CONFIG / f"{version}.yaml").read_text())
    return RegistryActivated(
        recv=1, at=at, version=version, config=config, sha256=fingerprint(config), by="test", decision=f"{version}/{at}"
    )
