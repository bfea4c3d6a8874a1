"""``make bench``: prints what README's figures come from. ``--short`` only shows that it runs."""

import argparse
import logging
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from bench import archive, backtests, latency, online, quality, sessions, strategies, throughput, trainings, vectors
from connectors.feeds import Feed
from connectors.kafka_server import KAFKA_VERSION, KafkaServer, KafkaServerError, fetch_jars
from connectors.log import Log, open_log
from connectors.log.prefixed import PrefixedLog
from dataflows import features as recipe
from dataflows.job import Job
from operators.features.featureset import FeatureSet
from operators.registry import Registry, parse_registry

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure on both logs, in one run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="little data, one round")
    parser.add_argument("--log", choices=["sqlite", "kafka"], help="one log only")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    text = (ROOT / "config" / "feature_registry" / "full.yaml").read_text()
    registry = parse_registry(text, where="full.yaml")
    print(f"Python {platform.python_version()}, {platform.machine()}, {len(registry.entries)} features")
    report_vectors(registry, wanted.short)
    with tempfile.TemporaryDirectory() as folder:
        report_strategies(registry, Path(folder), wanted.short)
    with tempfile.TemporaryDirectory() as folder:
        report_quality(registry, Path(folder), wanted.short)
    with tempfile.TemporaryDirectory() as folder:
        report_online(registry, Path(folder), wanted.short)
    report_trainings(wanted.short)
    with tempfile.TemporaryDirectory() as folder:
        report_archive(registry, Path(folder), wanted.short)
    for name in [wanted.log] if wanted.log else ["sqlite", "kafka"]:
        with tempfile.TemporaryDirectory() as folder, broker(name, Path(folder)) as bootstrap:
            report_throughput(name, Path(folder), bootstrap, registry, wanted.short)
        with tempfile.TemporaryDirectory() as folder, broker(name, Path(folder)) as bootstrap:
            report_latency(name, Path(folder), bootstrap, wanted.short)


def report_vectors(registry: Registry, short: bool) -> None:
    """Cost of one vector; memory of many symbols."""
    cost = vectors.vector_microseconds(registry)
    print(f"one vector: {cost['still']:.0f} us, {cost['candle']:.0f} us when a candle has closed")
    symbols = 20 if short else 100
    weight = vectors.memory(symbols)
    print(
        f"{symbols} symbols: {weight['after']:.0f} MB resident, {weight['before']:.0f} MB of them before the first;"
        f" snapshot {weight['snapshot']:.1f} MB"
    )


def report_strategies(registry: Registry, folder: Path, short: bool) -> None:
    """What strategies add to an event, on the demo exchange."""
    with opened(None, folder, "") as log:
        sessions.fill(log, sessions.demo(2, 120 if short else 1_800))
        symbols = [f"SYM{number:03d}USDT" for number in range(2)]
        features = FeatureSet.compile(registry)
        alone, costs = strategies.microseconds_per_event(log, features, symbols, 1 if short else 3)
        speed, market = backtests.measure(log, features, symbols)
    print(f"backtest with 3 strategies: {speed:,.0f} events/s, {market:,.0f} s of market per second")
    listed = ", ".join(f"{number}: {cost:.1f} us ({cost / alone:.2f})" for number, cost in costs.items())
    print(f"an event costs {alone:.1f} us in the market stage alone; with strategies {listed}")


def report_quality(registry: Registry, folder: Path, short: bool) -> None:
    """What looking at the data's quality adds to an event, on the demo exchange, and a report of 24 hours."""
    with opened(None, folder, "") as log:
        sessions.fill(log, sessions.demo(2, 120 if short else 1_800))
        cost = quality.microseconds_per_event(log, FeatureSet.compile(registry), 1 if short else 5)
    print(
        f"quality adds {cost.both - cost.market:.2f} us to an event of {cost.market:.1f} us"
        f" ({cost.both / cost.market:.2f}); a report of 24 hours of one of two symbols takes"
        f" {quality.report_seconds(folder, cost.minutes):.2f} s"
    )


def report_online(registry: Registry, folder: Path, short: bool) -> None:
    """What models that learn in the flow cost, on the demo exchange."""
    with opened(None, folder, "") as log:
        sessions.fill(log, sessions.demo(2, 60 if short else 600))
        symbols = [f"SYM{number:03d}USDT" for number in range(2)]
        features = FeatureSet.compile(registry)
        costs = online.costs(log, features, 1 if short else 3)
        shares = {every: online.share_of(log, features, symbols, every, 1 if short else 3) for every in (5, 1)}
    print(f"models that learn in the flow, {len(features.names)} features:")
    for model, cost in costs.items():
        print(
            f"  {model}: prediction {cost.predict:.0f} us, lesson {cost.learn:.0f} us = {cost.a_second:,.0f} vectors/s"
            f" per process; state {cost.kilobytes:.1f} kB, stored in {cost.store:.0f} us"
        )
    for every, found in shares.items():
        print(
            f"  logistic_regression every {every} s: {found.share:.1%} of the trading engine"
            f" ({found.without:.0f} -> {found.learning:.0f} us a vector)"
        )


def report_trainings(short: bool) -> None:
    """What a training costs beyond the bare library; five rounds, as the first ones tell the most of what is around."""
    rows, rounds = (20_000, 3) if short else (1_000_000, 5)
    found = trainings.costs(rows, rounds)
    for kind, cost in found.items():
        print(
            f"{kind} training, {rows:,} rows, {rounds} rounds: {cost.wall:.1f} s, {cost.processor:.1f} s of processor;"
            f" at most {cost.peak:,.0f} MB resident, the matrix is {rows * len(trainings.names()) * 8 / 1e6:,.0f} MB"
        )
    print(f"training = {found['ours'].processor / found['bare'].processor:.2f} of the bare one's processor time")


def report_archive(registry: Registry, folder: Path, short: bool) -> None:
    """Archiving against reading the log; reading and replaying the archive against the log."""
    with opened(None, folder / "log", "") as log:
        sessions.fill(log, sessions.demo(2, 300 if short else 3_600))
        found = archive.measure(Job(recipe, log, sessions.SHARDS, registry), folder, 1 if short else 5)
    print(
        f"archive: {found.archiving:,.0f} events/s = {found.of_reading:.2f} of reading the log;"
        f" read {found.reading:,.0f}/s = {found.of_log:.2f} of the log; replayed {found.replay:,.0f}/s"
        f" = {found.of_replay:.2f} of the log;"
        f" {found.bytes:.0f} bytes an event, on the log {found.log_bytes:.0f}"
    )


def report_throughput(name: str, folder: Path, bootstrap: str | None, registry: Registry, short: bool) -> None:
    """Messages a second of reader, loop and flow, on the demo exchange and on a recording."""
    feeds: dict[str, Feed] = {"demo, 2 symbols": sessions.demo(2, 300 if short else 3_600)}
    if not short:
        feeds["demo, 2 symbols, 10 times as busy"] = sessions.demo(2, 400, rate=10.0)
        if (recording := sessions.recorded()) is not None:
            feeds["recorded, Binance spot BTCUSDT"] = recording
    for session, feed in feeds.items():
        with opened(bootstrap, folder, f"{session.replace(' ', '-').replace(',', '')}.") as log:
            sessions.fill(log, feed)
            job = Job(recipe, log, sessions.SHARDS, registry)
            market = sessions.market_seconds(log)
            found = throughput.measure(name, session, job, market, 1 if short else 3, bootstrap)
        print(
            f"{name}, {session}: {found.events:,} events, {found.vectors:,} vectors of all features\n"
            f"  reader {found.reader:,.0f}/s, plain loop {found.loop:,.0f}/s, flow {found.replay:,.0f}/s"
            f" = {found.of_loop:.2f} of the loop, {found.of_reader:.2f} of the reader;"
            f" {found.market_per_second:,.0f} s of market per second"
        )


def report_latency(name: str, folder: Path, bootstrap: str | None, short: bool) -> None:
    """Append to read, append to feature."""
    found = latency.measure(name, folder, bootstrap, 1_000 if short else 6_000)
    print(
        f"{name}: append -> read p50 {found.read_p50:.1f} ms, p99 {found.read_p99:.1f} ms;"
        f" append -> feature p50 {found.feature_p50:.1f} ms, p99 {found.feature_p99:.1f} ms ({found.samples} samples);"
        f" append -> signal p50 {found.signal_p50:.1f} ms, p99 {found.signal_p99:.1f} ms ({found.signals} samples)"
    )


@contextmanager
def opened(bootstrap: str | None, root: Path, prefix: str) -> Iterator[Log]:
    """Topics of its own for each session."""
    log = PrefixedLog(open_log(bootstrap, root), prefix)
    try:
        yield log
    finally:
        log.close()


@contextmanager
def broker(name: str, folder: Path) -> Iterator[str | None]:
    """None for the embedded log; Apache Kafka is started for the time of the measurement."""
    if name == "sqlite":
        yield None
        return
    try:
        server = KafkaServer(folder / "kafka", fetch_jars(ROOT / ".lockstep" / "kafka" / KAFKA_VERSION))
    except KafkaServerError as error:
        raise SystemExit(f"bench: {error}") from error
    try:
        yield server.start()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
