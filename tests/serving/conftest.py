"""A log with vectors on it, and the API over it: real files, a real server on a free port."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from connectors.log import Log, NewRecord, open_log
from connectors.measures import Measures
from learning.registries.where import Where
from operators.registry import Registry, parse_registry
from schemas.codec import encode
from schemas.origin import HEADER, Origin
from schemas.topics import TOPICS
from schemas.vector import FeatureVector
from serving.app import create_app, nobody
from serving.backfill_rules import BackfillRules
from serving.database import Database
from serving.endpoint_metrics import Note
from serving.follower import Follower
from serving.probe import Probe
from serving.run import listen
from serving.site import Site
from serving.view import View
from tests.learning.datasets.session import REGISTRY

REGISTRIES = Path(__file__).parents[2] / "config" / "feature_registry"
KEY = "a key for the tests only"
SHARDS = 2
SECOND = 1_000_000


def now() -> int:
    return time.time_ns() // 1000


def vector(symbol: str, ts: int, offset: int, shard: int = 0, **changes: object) -> FeatureVector:
    """A vector of two features, one of them unavailable."""
    features = {"mid_price": float(offset), "rsi_14": None}
    made = FeatureVector(symbol, ts, ts, ["1s"], features, "1.2.0", False, [], Origin(shard, offset, 0))
    return (
        made
        if not changes
        else type(made)(**{field: getattr(made, field) for field in made.__struct_fields__} | changes)
    )  # type: ignore[arg-type]


@dataclass
class Market:
    """Writes what a flow would write."""

    log: Log

    def create(self) -> None:
        for topic in TOPICS:
            self.log.create(topic.name, SHARDS)

    def events(self, shard: int, count: int) -> None:
        self.log.append("events", shard, [NewRecord(b"X", b"{}", now())] * count)

    def add(self, *vectors: FeatureVector) -> None:
        for one in vectors:
            headers = [(HEADER, one.origin.header())]
            record = NewRecord(one.symbol.encode(), encode(one), one.ts, headers)
            self.log.append("features", one.origin.shard, [record])


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """An embedded log with every topic."""
    log = open_log(None, tmp_path / "log")
    market = Market(log)
    market.create()
    yield market
    log.close()


@dataclass
class Api:
    """A running API: ``get`` brings the key."""

    url: str
    view: View
    client: httpx.Client

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.client.get(f"{self.url}{path}", params=query, headers={"X-API-Key": KEY})

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.client.post(f"{self.url}{path}", json=body, headers={"X-API-Key": KEY})

    def delete(self, path: str) -> httpx.Response:
        return self.client.delete(f"{self.url}{path}", headers={"X-API-Key": KEY})

    def health(self) -> dict[str, object]:
        answer: dict[str, object] = self.client.get(f"{self.url}/health").json()
        return answer


def eventually(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until something holds; false when it never did."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def registries(version: str) -> Registry:
    """The registries that come along, by the names of their files, and the one of the small session."""
    if version == REGISTRY.version:
        return REGISTRY
    path = REGISTRIES / f"{version}.yaml"
    if not path.is_file():
        raise LookupError(f"feature registry {version} is not known; there are 1.0.0, 1.1.0, 1.2.0")
    return parse_registry(path.read_text(), where=str(path))


@contextmanager
def running(
    open_the_log: Callable[[], Log],
    home: Path,
    probes: Sequence[Probe] = (),
    database_url: str | None = None,
    amqp_url: str | None = None,
    note: Note = nobody,
    backfill: BackfillRules | None = None,
    feature_registries: Where | None = None,
) -> Iterator[Api]:
    """The whole API on a free port, in this process. Without an address, the database is away."""
    view = View()
    follower = Follower(open_the_log, view).start()
    listening = listen("127.0.0.1", 0)
    database = Database(database_url or f"postgresql://nobody@/none?host={home}")
    site = Site(home, home / "models", home / "datasets", open_the_log, registries, amqp_url=amqp_url)
    site = replace(site, backfill=backfill or BackfillRules(), feature_registries=feature_registries)
    app = create_app(view, probes, KEY, database, site, note)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with httpx.Client(timeout=60) as client:
            yield Api(f"http://127.0.0.1:{listening.getsockname()[1]}", view, client)
    finally:
        server.should_exit = True
        thread.join()
        follower.stop()
        for probe in probes:
            probe.stop()
        database.close()
        listening.close()


@pytest.fixture
def api(market: Market, tmp_path: Path) -> Iterator[Api]:
    """The API over the log of ``market``."""
    with running(lambda: open_log(None, tmp_path / "log"), tmp_path) as api:
        yield api


@pytest.fixture
def measures(tmp_path: Path) -> Measures:
    """What a flow of this home reports about itself."""
    return Measures(tmp_path / "metrics", "features", 1)
