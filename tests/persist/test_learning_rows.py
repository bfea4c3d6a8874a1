"""Predictions, scores and models on their way into the tables: once, whole, and in whatever order they come."""

from random import Random
from typing import Any

import psycopg
import pytest

from connectors.log import Log, NewRecord
from learning.registry.versions import record_version
from schemas.codec import encode
from schemas.model import ModelActivated, ModelChange
from schemas.origin import HEADER, Origin
from schemas.prediction import Outcome, Prediction, Score
from tests.learning.registry.made import record
from tests.persist.conftest import store
from tests.persist.tables import naive, rows
from tests.persist.written import SECOND, START, SYMBOLS, write, write_events

PREDICTIONS = """
select origin, strategy_id, asset, ts, model_version, role, horizon, threshold, price, probabilities, label,
    confidence, side, matured, later, change, outcome from predictions order by origin
"""
SCORES = "select origin, model_version, ts, samples, accuracy, roc_auc, learned from model_scores order by origin"
ACTIVE = "select version from model_versions where is_active order by 1"


def prediction(origin: Origin, **changes: Any) -> Prediction:
    """Up, by 0.7."""
    fields: dict[str, Any] = {
        "strategy": "alpha", "symbol": SYMBOLS[origin.shard], "ts": START + origin.offset * SECOND, "model": "v7",
        "role": "champion", "horizon": 60, "threshold": 0.001, "price": 100.0,
        "probabilities": {"-1": 0.1, "0": 0.2, "1": 0.7}, "label": 1, "confidence": 0.7, "origin": origin,
        "side": "buy",
    }  # fmt: skip
    return Prediction(**fields | changes)


def outcome(said: Prediction, label: int = -1) -> Outcome:
    """It fell instead."""
    shard, offset, _ = said.origin
    return Outcome(
        said.strategy, said.symbol, said.ts, said.ts + 60 * SECOND, said.model, said.role, 100.0, 99.5, -0.005, label,
        said.label, said.probabilities, said.origin, Origin(shard, offset + 60, 0), said.side,
    )  # fmt: skip


def expected(said: Prediction, came: Outcome | None, threshold: float | None = 0.001) -> tuple[Any, ...]:
    head = ("/".join(map(str, said.origin)), "alpha", said.symbol, naive(said.ts), "v7", "champion", 60, threshold)
    what = (100.0, said.probabilities, 1, 0.7, "buy")
    return (*head, *what, *((naive(came.matured), 99.5, -0.005, -1) if came else (None, None, None, None)))


@pytest.mark.req("MS-SC-007")
def test_an_outcome_completes_the_row_of_its_prediction(url: str, log: Log) -> None:
    """Also where retention took the prediction: then only its threshold is unknown."""
    first, second, third = (prediction(Origin(0, offset, 0)) for offset in (1, 2, 3))
    write(log, [first, second])
    store(log, url)
    assert rows(url, PREDICTIONS) == [expected(first, None), expected(second, None)]
    write(log, [outcome(first), outcome(third)])
    store(log, url)

    assert rows(url, PREDICTIONS) == [
        expected(first, outcome(first)), expected(second, None), expected(third, outcome(third), None),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_reading_again_from_any_place_changes_nothing(url: str, log: Log, seed: int) -> None:
    """The database forgets how far it had read: ids follow from origins."""
    random, told = Random(seed), list[Any]()
    for offset in range(1, 30):
        said = prediction(Origin(random.randint(0, 1), offset, 0), side=None)
        told += [said, outcome(said, random.choice([-1, 0, 1]))] if random.random() < 0.7 else [said]
        if random.random() < 0.3:
            told.append(score(Origin(said.origin.shard, offset, 3)))
    write(log, told)
    store(log, url)
    before = [rows(url, query) for query in (PREDICTIONS, SCORES)]
    with psycopg.connect(url) as connection:
        connection.execute("update read_positions set position = position / 2, last_offset = null")
    store(log, url)

    assert [rows(url, query) for query in (PREDICTIONS, SCORES)] == before
    assert len(before[0]) == sum(isinstance(one, Prediction) for one in told)
    assert len(before[1]) == sum(isinstance(one, Score) for one in told) > 0


def score(origin: Origin, **changes: Any) -> Score:
    fields = (SYMBOLS[origin.shard], START + origin.offset * SECOND, "v7", "champion", 200, 0.61, 0.4, 0.9, 0.5, 0.05)
    return Score("alpha", *fields, origin, **{"roc_auc": 0.7, "learned": 12, **changes})  # type: ignore[arg-type]


def test_scores_are_a_series(url: str, log: Log) -> None:
    write(log, [score(Origin(0, 1, 3)), score(Origin(1, 2, 3), roc_auc=None)])
    store(log, url)

    assert rows(url, SCORES) == [
        ("0/1/3", "v7", naive(START + SECOND), 200, 0.61, 0.7, 12),
        ("1/2/3", "v7", naive(START + 2 * SECOND), 200, 0.61, None, 12),
    ]


def activated(log: Log, *versions: tuple[str, str | None, str | None]) -> None:
    """Activations (strategy, version, symbol) on every shard."""
    events = [ModelActivated(START, *one, sha256="a" * 64, by="somebody") for one in versions]
    for shard in (0, 1):
        write_events(log, shard, events)


@pytest.mark.req("MS-US-4.5", "MS-SC-007")
def test_is_active_follows_the_log_through_activations_and_a_rollback(url: str, log: Log) -> None:
    """A symbol's own model and the one for all: the one activated last is shown; back to warm-up shows the other."""
    with psycopg.connect(url, autocommit=True) as connection:
        for version in ("v1", "v2", "v3"):
            record_version(connection, record(version))
        record_version(connection, record("v9", strategy="beta"))
    seen = []
    for told in (
        [("alpha", "v1", None), ("beta", "v9", None)],
        [("alpha", "v2", None)],
        [("alpha", "v3", "BTCUSDT")],
        [("alpha", "v1", None)],
        [("alpha", None, "BTCUSDT")],
        [("alpha", "v2", None)],
        [("alpha", "v2", None), ("alpha", "v3", None), ("alpha", None, None)],
        [("alpha", "online", None)],
    ):
        activated(log, *told)
        store(log, url)
        seen.append([version for (version,) in rows(url, ACTIVE)])

    assert seen == [["v1", "v9"], ["v2", "v9"], ["v3", "v9"], ["v1", "v9"], ["v1", "v9"], ["v2", "v9"], ["v9"], ["v9"]]
    query = "select asset, version, changed_by from models_in_force where strategy_id = 'alpha' order by 1"
    assert rows(url, query) == [("", "online", "somebody"), ("BTCUSDT", None, "somebody")]


def test_reading_activations_again_from_the_start_ends_where_the_log_ends(url: str, log: Log) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for version in ("v1", "v2"):
            record_version(connection, record(version))
    activated(log, ("alpha", "v1", None), ("alpha", "v2", None))
    store(log, url)
    with psycopg.connect(url) as connection:
        connection.execute("delete from read_positions")
    store(log, url)

    assert rows(url, ACTIVE) == [("v2",)]


def test_what_each_shard_made_of_a_model_is_kept(url: str, log: Log) -> None:
    """Usable in one, not in the other; the history of both."""
    changes = [
        ModelChange("alpha", START, "champion", None, "v1", Origin(0, 5, 0), reason="won", by="learn"),
        ModelChange("alpha", START, "champion", None, "v1", Origin(1, 5, 0), usable=False, problem="no such file"),
        ModelChange("alpha", START + SECOND, "shadow", None, "v2", Origin(0, 6, 0), symbol="BTCUSDT"),
    ]
    for change in changes:
        headers = [(HEADER, change.origin.header())]
        log.append("models", change.origin.shard, [NewRecord(b"alpha", encode(change), change.ts, headers)])
    store(log, url)

    query = "select shard, role, before, after, usable, problem, asset, reason, ts from model_changes order by origin"
    assert rows(url, query) == [
        (0, "champion", None, "v1", True, "", None, "won", naive(START)),
        (0, "shadow", None, "v2", True, "", "BTCUSDT", "", naive(START + SECOND)),
        (1, "champion", None, "v1", False, "no such file", None, "", naive(START)),
    ]


def test_an_execution_that_served_a_training_forgets_a_version_that_is_gone(url: str) -> None:
    """The reference that the table was meant to have."""
    with psycopg.connect(url, autocommit=True) as connection:
        made = record_version(connection, record("v1"))
        connection.execute(
            "insert into execution_events (signal_id, strategy_id, asset, side, execution_price, execution_quantity,"
            " execution_fees, executed_at, signal_price, signal_timestamp, performance, used_for_training, training_id)"
            " values (gen_random_uuid(), 'a', 'B', 'buy', 1, 1, 0, now(), 1, now(), '{}', true, %s)",
            [made],
        )
        connection.execute("delete from model_versions")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("update execution_events set training_id = gen_random_uuid()")

    assert rows(url, "select training_id, used_for_training from execution_events") == [(None, True)]
