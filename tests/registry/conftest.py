"""An installation's versions: real files, a real database, a real log with a market on it."""

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.activations import newest
from connectors.log import Log, NewRecord, open_log
from connectors.postgres.migrate import Migrator
from learning.registries.files import RegistryFiles
from learning.registries.where import Where
from operators.features import FEATURES
from operators.features.catalogue import FORMULAS, Feature, Formula
from operators.features.view import View
from operators.spans import format_span
from schemas.codec import encode
from schemas.registry import RegistryActivated
from schemas.topics import TOPICS
from tests.streams import stream

SHIPPED = Path(__file__).parents[2] / "config" / "feature_registry"
SHARDS = 2
Config = dict[str, Any]


def entry(name: str, /, **changes: Any) -> Config:
    """A valid entry of the catalogue."""
    feature = FEATURES[name]
    sources = list(feature.sources)
    return {
        "name": name,
        "input_sources": sources,
        "lookback_window": format_span(feature.window),
        "lookahead_forbidden": True,
        "data_sources": [{"source": source, "timestamp_required": True} for source in sources],
    } | changes


def config(version: str, *names: str, **changes: Any) -> Config:
    """A valid registry."""
    return {"version": version, "features": [entry(name) for name in names or ("mid_price", "vwap_3s")], **changes}


def edited(given: Config, feature: str, **changes: Any) -> Config:
    """The registry with fields of a feature changed."""
    made = copy.deepcopy(given)
    next(one for one in made["features"] if one["name"] == feature).update(changes)
    return made


def on_log(log: Log) -> list[RegistryActivated | None]:
    """The newest activation of each shard."""
    found = [newest(log, shard) for shard in range(SHARDS)]
    return [place.event if place else None for place in found]


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a minute and a half of two symbols on each shard; copy it before writing to it."""
    folder = tmp_path_factory.mktemp("market") / "log"
    log = open_log(None, folder)
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    for shard in range(SHARDS):
        events = stream(shard, 90, (f"AAA{shard}", f"BBB{shard}"), faults=False)
        records = [NewRecord(None, encode(event), event.recv) for event in events]
        log.append("events", shard, records)
    log.close()
    return folder


@pytest.fixture
def folder_of_log(market: Path, tmp_path: Path) -> Path:
    """A log of this test alone."""
    shutil.copytree(market, tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def empty_log(tmp_path: Path) -> Path:
    """A log with all topics and no event."""
    log = open_log(None, tmp_path / "empty")
    for topic in TOPICS:
        log.create(topic.name, SHARDS, topic.cleanup)
    log.close()
    return tmp_path / "empty"


@pytest.fixture
def where(folder_of_log: Path, database_url: str, tmp_path: Path) -> Where:
    """Versions 1.0.0, 1.1.0 and 1.2.0 come along; the settings name 1.0.0."""
    Migrator(database_url).up()
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        shutil.copy(SHIPPED / f"{version}.yaml", shipped)
    files = RegistryFiles(shipped, tmp_path / "own")
    return Where(files, database_url, lambda: open_log(None, folder_of_log), lambda: "1.0.0")


@pytest.fixture
def on_empty_log(where: Where, empty_log: Path) -> Where:
    """The same on a log that has no event yet."""
    return replace(where, open_log=lambda: open_log(None, empty_log))


@pytest.fixture
def log(where: Where) -> Iterator[Log]:
    """The log as others see it."""
    log = where.open_log()
    yield log
    log.close()


@pytest.fixture
def put(where: Where) -> Callable[..., Path]:
    """Writes a file by hand, as a person with an editor does."""

    def put(config: Config | str, name: str) -> Path:
        where.files.own.mkdir(exist_ok=True)
        path = where.files.own / name
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
        return path

    return put


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> str:
    """A feature whose formula fails when it is computed; its registry is valid."""

    def compute(view: View) -> float:
        raise IndexError("no such bucket")

    nothing: Callable[..., int] = lambda **_: 0  # noqa: E731
    formula = Formula("failing", compute, "second", ("trades",), nothing, nothing, nothing, {})
    monkeypatch.setitem(FORMULAS, "failing", formula)
    monkeypatch.setitem(FEATURES, "failing", Feature("failing", formula, {}))
    return "failing"
