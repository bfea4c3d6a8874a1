"""The promise: one digest of the features, however, wherever and how often interrupted the flow runs."""

import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from cli.flows import Flow, recipe_of
from connectors.log import Log
from dataflows import features
from dataflows.digest import records
from dataflows.recipe import Recipe
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.origin import Origin
from tests.flows.account_writer import AccountWriter
from tests.flows.activation_session import VERSIONS, collect_activations
from tests.flows.learning_session import FIRST, MISSING, PROMOTIONS, SECOND, collect_learning
from tests.installation import Installation, kill, wait_until

ROOT = Path(__file__).resolve().parents[2]
FULL = ROOT / "config" / "feature_registry" / "full.yaml"
BINANCE = "l2/binance_raw/spot_btcusdt_20240808.gz", "l2/binance_raw/spot_btcusdt_20240809.gz"
BYBIT = ("bybit_ws/bybit_v5_linear_spot_20260809.jsonl.gz",)
STRATEGIES = Path(__file__).parent / "strategies"
FLOWS = {"paper": "trading", "account": "trading", "learning": "trading"}
SOURCES = ["demo", "bybit", "binance", "activations", "paper", "account", "learning"]
"""``activations`` is the demo exchange while feature registries are activated. ``paper``, ``account`` and ``learning``
are the demo exchange under the trading flow: with the paper exchange, with an account whose events a second writer puts
between those of the market, and with strategies that learn online and whose models are promoted and rolled back."""
ON_KAFKA = ("demo", "binance", "account")
"""What runs there too: each flow, and a recording."""
SECONDS = {"activations": "160", "paper": "660", "account": "660", "learning": "400"}

INTERLEAVED = {"learning": collect_learning, "activations": collect_activations}
"""How those sessions are collected among whose events others are put."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> str | None:
    """None for the embedded log."""
    return request.getfixturevalue("kafka_bootstrap") if request.param == "kafka" else None


@pytest.fixture(scope="module")
def database(postgres) -> str:
    return postgres.start()


@pytest.fixture(scope="module", params=SOURCES)
def collected(request, broker, database, tmp_path_factory) -> Iterator["Collected"]:
    """An installation whose log holds one session, and the outputs that a bare engine makes of it."""
    source = source_arguments(request)
    installation = Installation(tmp_path_factory.mktemp(request.param) / "home", database, broker)
    if broker is not None and request.param not in ON_KAFKA:
        pytest.skip("what it adds changes nothing in how records get to the log and back: the embedded one will do")
    if request.param in INTERLEAVED:
        scratch = Installation(tmp_path_factory.mktemp("scratch") / "home", database, None)
        installation.flow = FLOWS.get(request.param, "features")
        INTERLEAVED[request.param](scratch, installation, source)
    else:
        collect(installation, request.param, source)
    session = Collected(installation, source, request.param)
    yield session
    session.log.close()


def collect(installation: Installation, kind: str, source: list[str], speed: str = "max") -> None:
    """Put a session on the log, and, for the trading flow, what it decides on."""
    if kind in FLOWS:
        installation.flow = FLOWS[kind]
        installation.settings["LOCKSTEP_ACCOUNT"] = "paper" if kind == "paper" else "live"
        installation.run("strategies", "apply", str(STRATEGIES))
    with AccountWriter(installation) if kind == "account" else nullcontext():
        installation.run("collect", *source, "--speed", speed)


def source_arguments(request: pytest.FixtureRequest) -> list[str]:
    """The options of ``collect``: a recording where there are recordings."""
    if request.param in ("demo", "activations", *FLOWS):
        return ["--source", "demo", "--seconds", SECONDS.get(request.param, "240")]
    data = request.getfixturevalue("shared_data")
    files = BYBIT if request.param == "bybit" else BINANCE
    return ["--source", ",".join(str(data / name) for name in files)]


class Collected:
    """A collected session and the reference for everything that is run on it."""

    def __init__(self, installation: Installation, source: list[str], kind: str = "demo") -> None:
        self.installation = installation
        self.source = source
        self.kind = kind
        self.recipe = recipe_of(Flow(installation.flow), installation.home / "models")
        self.log = installation.log()
        self.expected = {shard: reference(self.log, shard, self.recipe) for shard in range(installation.shards)}
        self.vectors = sum(topic == "features" for outputs in self.expected.values() for topic, *_ in outputs)
        assert self.vectors > 100

    def moments(self, shares: tuple[float, ...]) -> list[int]:
        """How many vectors are written when so much of each shard is read, and a few more."""
        found = []
        for share in shares:
            limits = {shard: int(self.log.end("events", shard) * share) for shard in self.expected}
            written = sum(
                topic == "features" and Origin.parse(origin).offset < limits[shard]
                for shard, outputs in self.expected.items()
                for topic, _, _, origin in outputs
            )
            found += [written, written + 4]
        return found

    def check(self, prefix: str) -> None:
        """Every topic below ``prefix`` holds exactly what the bare engine made, in its order."""
        for topic in self.recipe.WRITES:
            for shard, outputs in self.expected.items():
                wanted = [rest for name, *rest in outputs if name == topic]
                found = published(self.log, prefix + topic, shard)
                for number, (here, there) in enumerate(zip(found, wanted, strict=False)):
                    if here != there:
                        pytest.fail(f"{prefix}{topic}/{shard} record {number}: {difference(here, there)}"[:3_000])
                assert len(found) == len(wanted), f"{prefix}{topic}/{shard}: another number of records"

    def written(self, prefix: str) -> int:
        """How many vectors are on the log already."""
        names = {info.name for info in self.log.topics()}
        if f"{prefix}features" not in names:
            return 0
        return sum(self.log.end(f"{prefix}features", shard) for shard in self.expected)


def reference(log: Log, shard: int, recipe: Recipe = features) -> list[tuple[str, bytes, bytes, bytes]]:
    """What a bare engine makes of a shard: no Bytewax, no batches, no processes, no sink."""
    registry = parse_registry(FULL.read_text(), where="full.yaml")
    engine = recipe.engine(FeatureSet.compile(registry), shard)
    outputs = engine.feed((record.offset, record.value) for record in records(log, "events", shard))
    return [(o.topic, o.key.encode(), o.value, o.origin.header()) for o in outputs]


def difference(here: list[bytes], there: list[bytes]) -> str:
    """What differs between two records, field by field."""
    found, wanted = readable(json.loads(here[1])), readable(json.loads(there[1]))
    fields = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name) and name != "features"]
    values = {name: (found.get(name), wanted.get(name)) for name in fields}
    both = {**found.get("features", {}), **wanted.get("features", {})}
    for name in both:
        pair = found.get("features", {}).get(name), wanted.get("features", {}).get(name)
        if pair[0] != pair[1]:
            values[name] = pair
    return f"origins {here[2]!r} and {there[2]!r}; {values or 'only the order of the fields'}"


def readable(record: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state by stage."""
    if record["type"] != "checkpoint" or "parts" in record:
        return record
    state = msgspec.msgpack.decode(b64decode(record.pop("state")))
    return record | {name: str(data) for name, data in zip(record["layout"].split(), state, strict=True)}


def published(log: Log, topic: str, shard: int) -> list[list[bytes]]:
    return [[r.key, r.value, dict(r.headers)["origin"]] for r in records(log, topic, shard)]


@pytest.mark.req("FS-US-5.2", "TK-RG-06")
def test_every_activation_is_among_what_is_compared(collected):
    """Each shard's vectors go through all versions, in order, and the one that was read late says so."""
    if collected.kind != "activations":
        pytest.skip("no registry is activated in this session")
    for outputs in collected.expected.values():
        told = [json.loads(value) for topic, _, value, _ in outputs if topic in ("features", "registries")]
        carried = [record["feature_registry_version"] for record in told if record["type"] == "features"]
        assert [carried[0], *(here for before, here in pairwise(carried) if before != here)] == list(VERSIONS)
        changes = [record for record in told if record["type"] == "registry.change"]
        assert [record.get("late", False) for record in changes] == [False, False, True, False]


@pytest.mark.parametrize("batch", [1, 37, 5000])
@pytest.mark.req("FS-FR-003", "FS-FR-004", "FS-SC-002", "FS-AS-07")
def test_batch_size_changes_nothing(collected, batch):
    """One process, whatever it polls at a time."""
    if collected.kind in INTERLEAVED and batch == 37:
        pytest.skip("the two extremes are enough")
    collected.installation.run("run", "--until-end", "--batch", str(batch), "--prefix", f"batch{batch}.")

    collected.check(f"batch{batch}.")


@pytest.mark.req("FS-AS-03")
def test_two_processes_write_the_same(collected):
    """Shards are spread over the processes; nothing else changes."""
    collected.installation.run("run", "--until-end", "--processes", "2", "--prefix", "two.")

    collected.check("two.")


def test_a_replay_writes_the_same_and_has_the_same_digest(collected):
    """At full speed into topics of its own; digests agree with the run's."""
    collected.installation.run("run", "--until-end")
    collected.installation.run("replay", "--prefix", "again.")

    collected.check("")
    collected.check("again.")
    assert collected.installation.digest("again.features") == collected.installation.digest("features")


def test_kill_9_at_random_moments_and_other_numbers_of_processes_change_nothing(collected):
    """Killed again and again, resumed with 1, then 2, then 1 processes: the same bytes, each once."""
    random = Random(7)
    targets = sorted(random.randrange(1, collected.vectors) for _ in range(4))
    if collected.kind == "learning":  # while a champion takes over from another one, and right behind it
        targets = collected.moments((PROMOTIONS[0], PROMOTIONS[-1]))
    for number, target in enumerate(targets):
        run = ["run", "--batch", "3", "--prefix", "killed.", "--processes", str(1 + number % 2)]
        process = collected.installation.start(*run)
        wait_until(partial(reached, collected, "killed.", target), f"{target} vectors", process)
        kill(process)
    collected.installation.run("run", "--until-end", "--prefix", "killed.")

    collected.check("killed.")


def test_a_lost_recovery_directory_changes_nothing(collected):
    """The flow rebuilds its state from the log, and the sink drops what is written already."""
    installation = collected.installation
    process = installation.start("run", "--batch", "5", "--prefix", "lost.")
    wait_until(partial(reached, collected, "lost.", collected.vectors // 2), "half the vectors", process)
    kill(process)
    shutil.rmtree(next((installation.home / "sessions").glob(f"*/recovery/lost.{installation.flow}")))
    installation.run("run", "--until-end", "--prefix", "lost.")

    collected.check("lost.")


def reached(collected: Collected, prefix: str, target: int) -> bool:
    return collected.written(prefix) >= target


def test_live_and_replay_are_in_lockstep(collected, broker, database, tmp_path_factory):
    """Paced as it happened (faster), the flow following the growing log: the same events, the same features."""
    if collected.kind in ("account", *INTERLEAVED):
        pytest.skip("a second writer never writes between the same events twice")
    live = Installation(tmp_path_factory.mktemp("live") / "home", database, broker)
    live.flow = collected.installation.flow
    flow = live.start("run")
    collect(live, collected.kind, collected.source, "60")
    log = live.log()
    wait_until(lambda: count(log, live.shards) >= collected.vectors, "all vectors", flow)
    kill(flow)

    for topic in ("events", *collected.recipe.WRITES):
        for shard in range(live.shards):
            here = [(r.key, r.value) for r in records(log, topic, shard)]
            there = (
                [(r.key, r.value) for r in records(collected.log, "events", shard)]
                if topic == "events"
                else [(key, value) for name, key, value, _ in collected.expected[shard] if name == topic]
            )
            assert here == there, f"{topic}/{shard}"
    log.close()
    assert '"identical": true' in live.run("parity", "--json")


def count(log: Log, shards: int) -> int:
    return sum(log.end("features", shard) for shard in range(shards))


def test_parity_finds_a_changed_byte_and_says_where(collected):
    """Exit 1, the number of differences, and the first divergent origin."""
    if collected.kind == "activations":
        pytest.skip("the registry of the settings counts until the first activation only")
    installation = collected.installation
    installation.run("run", "--until-end")
    assert "in lockstep" in installation.run("parity")
    text = FULL.read_text()
    changed = installation.home / "changed.yaml"
    changed.write_text(
        text.replace('version: "full-1"', 'version: "full-2"').replace("version: full-1", "version: full-2")
    )
    assert changed.read_text() != text
    installation.settings["LOCKSTEP_REGISTRY"] = str(changed)
    try:
        output = installation.run("parity", code=1)
    finally:
        installation.settings["LOCKSTEP_REGISTRY"] = "full"

    assert f"{collected.vectors} differ" in output
    assert "first divergence: shard 0" in output or "first divergence: shard 1" in output


def test_models_predicted_were_promoted_and_rolled_back(collected):
    """What the tests above compare is there: every role, outcomes and scores, and what each event came to."""
    if collected.kind != "learning":
        pytest.skip("no strategy learns in this session")
    for shard, outputs in collected.expected.items():
        told = [json.loads(value) for topic, _, value, _ in outputs if topic in ("predictions", "models", "signals")]
        said = {(record["type"], record["role"], record["model"]) for record in told if "model" in record}
        for kind in ("prediction", "outcome", "score"):
            assert {(kind, "online", "online"), (kind, "champion", FIRST), (kind, "champion", SECOND)} <= said
            assert {(kind, "shadow", FIRST), (kind, "shadow", SECOND)} <= said
        changes = [record for record in told if record["type"] == "model.change" and record["role"] == "champion"]
        steps = [(record["before"], record["after"]) for record in changes if record["strategy"] == "steady"]
        assert steps == [(None, FIRST), (FIRST, SECOND), (SECOND, FIRST)], f"shard {shard}"
        refused = [record["after"] for record in changes if not record.get("usable", True)]
        assert refused == [MISSING]
    versions = {record.get("model_version") for record in signals_of(collected)}
    assert {FIRST, SECOND} <= versions


def signals_of(collected: Collected) -> list[dict[str, Any]]:
    return [
        json.loads(value)
        for outputs in collected.expected.values()
        for topic, _, value, _ in outputs
        if topic == "signals"
    ]


def test_models_are_found_again_at_any_time_and_signals_explained(collected):
    """`models at` finds what the log recorded, and `explain` rebuilds a signal that a model made."""
    if collected.kind != "learning":
        pytest.skip("no strategy learns in this session")
    installation = collected.installation
    installation.run("run", "--until-end")
    signal = next(record for record in signals_of(collected) if record.get("model_version") == SECOND)
    time = datetime.fromtimestamp(signal["ts"] / 1e6, UTC).isoformat()
    asked = ["--strategy", "steady", "--symbol", signal["symbol"], "--time", time]

    found = json.loads(installation.run("models", "at", *asked, "--json"))

    said = {(spoken["role"], spoken["version"]): spoken for spoken in found["models"]}
    assert {("online", "online"), ("champion", SECOND), ("shadow", SECOND)} <= set(said)
    assert found["same_vector"] and all(spoken["same"] in (None, True) for spoken in said.values())
    assert SECOND in installation.run("models", "at", *asked)
    assert "identical to what was recorded" in installation.run("explain", signal["signal_id"])
