"""What it costs to look at the data's quality: an event in the flow, and the report of a day."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psycopg
from msgspec import structs
from psycopg.rows import dict_row

from bench.sessions import SHARDS
from bench.strategies import messages_of
from connectors.log import Log
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.migrate import Migrator
from connectors.postgres.quality_reports import keep_report
from connectors.postgres.quality_rows import minute_rows
from dataflows.run import tune_gc
from operators.engine import Cursor, Engine, Stage
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.quality.stage import QualityStage
from reports.quality.making import as_row, read_report
from reports.quality.period import MINUTE, Span
from schemas.codec import decode_quality_minute
from schemas.quality import QualityMinute

DAY = 24 * 60


class Cost(NamedTuple):
    """Microseconds of processor time an event: of the market stage alone, and with quality behind it (medians)."""

    market: float
    both: float
    minutes: list[QualityMinute]


def microseconds_per_event(log: Log, features: FeatureSet, rounds: int) -> Cost:
    """In turns, so that whatever else the machine does falls on both."""
    shards = [messages_of(log, shard) for shard in range(SHARDS)]
    events = sum(map(len, shards))
    tune_gc()
    costs: dict[bool, list[float]] = {False: [], True: []}
    minutes: list[QualityMinute] = []
    for _ in range(rounds):
        for quality in costs:
            begin = time.process_time()
            outputs = [Engine(shard, stages(features, quality)).feed(shards[shard]) for shard in range(SHARDS)]
            costs[quality].append((time.process_time() - begin) / events * 1e6)
            if quality:
                values = [one.value for made in outputs for one in made if one.topic == "quality-minutes"]
                minutes = [decode_quality_minute(value) for value in values]
    return Cost(median(costs[False]), median(costs[True]), minutes)


def stages(features: FeatureSet, quality: bool) -> Any:
    """Makes the stages of an engine."""

    def build(cursor: Cursor) -> list[Stage]:
        market = MarketStage(features, cursor)
        return [market, QualityStage(cursor, market)] if quality else [market]

    return build


def report_seconds(folder: Path, pattern: Sequence[QualityMinute]) -> float:
    """The longest of five reports over 24 h of two symbols, seconds: read, added up, stored.

    The rows are written as ``persist`` writes them, from the minutes of a session one after the other.
    """
    with EmbeddedPostgres(folder / "postgres") as server:
        url = server.start()
        Migrator(url).up()
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            symbols = sorted({one.symbol for one in pattern})[:2]
            with connection.transaction(), connection.pipeline():
                for symbol in symbols:
                    mine = [one for one in pattern if one.symbol == symbol]
                    for number in range(1, DAY + 1):
                        for row in minute_rows(structs.replace(mine[number % len(mine)], ts=number * MINUTE)):
                            connection.execute(row.statement, row.params)
            times = []
            for number in range(5):
                begin = time.perf_counter()
                made = read_report(
                    lambda query, params: connection.execute(query, params).fetchall(),
                    symbols[number % len(symbols)],
                    Span(0, DAY * MINUTE),
                )
                keep_report(connection, as_row(made))
                times.append(time.perf_counter() - begin)
                assert made.covered == DAY
    return max(times)
