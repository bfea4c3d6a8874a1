"""What replays the log replays its archive: the same bytes on every topic, whatever became of the log meanwhile."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli import sessions
from connectors.archive.catalogue import Catalogue
from connectors.archive.compaction import compact
from connectors.archive.log import ArchiveLog
from connectors.archive.verify import verify
from connectors.log import Log, NewRecord
from connectors.postgres.embedded import EmbeddedPostgres
from dataflows.archive import Archive
from dataflows.digest import digest, records
from dataflows.trading import Trading
from learning.datasets import build
from schemas.origin import HEADER
from tests.archive.made import STRANGE, archive
from tests.backtest.conftest import installation
from tests.installation import Installation, kill, wait_until
from tests.learning.datasets.session import REGISTRY, SHARDS, make_log, request

pytestmark = pytest.mark.timeout(600)
SECONDS = 120
OUTPUTS = tuple(dict.fromkeys(Trading.WRITES))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[Installation]:
    """A session of the demo exchange with strange messages in it, and everything that the trading flow made of it."""
    made = installation(tmp_path_factory.mktemp("home"), postgres.start())
    made.run("strategies", "apply")
    made.run("collect", "--source", "demo", "--speed", "max", "--seconds", str(SECONDS // 2))
    log = made.log()
    for shard in range(made.shards):
        time = max(one.timestamp for one in records(log, "events", shard))
        log.append("events", shard, [NewRecord(b"AAA", value, time) for value in (None, *STRANGE[:8])])
    log.close()
    made.run("run", "--until-end")
    yield made


def contents(log: Log, prefix: str = "") -> dict[str, list[list[Any]]]:
    """Key, value and origin of every output, by topic."""
    return {
        topic: [
            [one.key, one.value, dict(one.headers)[HEADER]]
            for shard in range(2)
            for one in records(log, prefix + topic, shard)
        ]
        for topic in OUTPUTS
    }


@dataclass
class Archived:
    """An installation of whose events only the archive is left, and the digest that they had on the log."""

    home: Installation
    digest: str


@pytest.fixture(scope="module")
def archived(home: Installation) -> Archived:
    """Archived by a flow that was killed with -9 in between, compacted; then retention took all events of the log."""
    log = home.log()
    root = sessions.current(home.home) / "archive"
    before = digest(log, "events", home.shards)
    process = home.start("archive", "run", "--every", "0.1")
    wait_until(lambda: any(root.glob("type=*/**/*.parquet")), "files", process)
    kill(process)
    Archive(log, home.shards, root, until_end=True, least_free=0).run()
    with Catalogue(root) as catalogue:
        compact(root, catalogue, everything=True)
        found = verify(root, catalogue, log)
    assert found.problems == []
    assert found.compared == found.rows == sum(log.end("events", shard) for shard in range(home.shards))
    for shard in range(home.shards):
        log.trim("events", shard, log.end("events", shard))
    log.close()
    return Archived(home, before)


@pytest.mark.req("FS-US-3.3")
def test_a_replay_of_the_archive_gives_the_bytes_that_the_log_gave(archived: Archived) -> None:
    """All topics of the trading flow, dead letters included, with their origins; the log has no events any more."""
    archived.home.run("replay", "--source", "archive", "--prefix", "archived.")
    log = archived.home.log()
    live, again = contents(log), contents(log, "archived.")
    assert log.start("events", 0) == log.end("events", 0)
    log.close()

    for topic in ("features", "predictions", "decisions", "signals", "account", "quality"):
        assert topic == "predictions" or live[topic], topic
    assert len(live["dead-letters"]) >= 2 * 5
    assert again == live


@pytest.mark.req("FS-US-3.3", "FS-SC-002")
def test_parity_over_the_archive_finds_live_and_replay_in_lockstep(archived: Archived) -> None:
    said = json.loads(archived.home.run("parity", "--source", "archive", "--json"))

    assert said["identical"]
    assert said["topics"]["features"]["matches"] > 100


def test_a_backtest_over_the_archive_decides_what_the_live_flow_decided(archived: Archived) -> None:
    printed = archived.home.run("backtest", "--source", "archive", "--json")
    found = json.loads(printed[printed.index('{"run"') :])

    assert found["digests"] == {topic: archived.home.digest(topic) for topic in ("decisions", "signals", "account")}


def test_a_digest_of_the_archive_is_that_of_the_log(archived: Archived) -> None:
    assert archived.home.run("digest", "events", "--source", "archive").strip() == archived.digest
    assert archived.home.digest("events") != archived.digest


@pytest.mark.req("FS-US-3.3")
def test_a_dataset_from_the_archive_has_the_bytes_of_one_from_the_log(tmp_path: Path) -> None:
    """Computed again from the raw events, as they were archived."""
    log = make_log(tmp_path / "log")
    build(log, SHARDS, request(), REGISTRY, tmp_path / "one")
    archive(tmp_path / "archive", log, commits=3, shards=SHARDS)
    for shard in range(SHARDS):
        log.trim("events", shard, log.end("events", shard))
    build(ArchiveLog(log, tmp_path / "archive"), SHARDS, request(), REGISTRY, tmp_path / "two")

    for split in ("train", "validation", "test"):
        name = f"{split}.parquet"
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
