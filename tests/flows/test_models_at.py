"""What models said at any time is found again from the log, from the nearest checkpoint on."""

from random import Random

import pytest

from connectors.log import Log, NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows import trading
from dataflows.models_at import NothingThen, models_at
from schemas.codec import decode_event, decode_vector
from schemas.origin import HEADER
from tests.operators.online.made import (
    FALLS,
    FEATURES,
    RISES,
    SECOND,
    Ran,
    activated,
    configured,
    learns,
    shadowed,
    shard,
    shop,
)
from tests.streams import START

MODELS = shop(RISES, FALLS)
CONTROLS = activated("v1", 300), shadowed("v2", 400), activated("v9", 1_500), activated("v2", 2_000)


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> tuple[Log, Ran]:
    """A log with a session and everything that came of it, as the flow writes it."""
    ran = Ran(shard(6, 2_700, *configured(learns(window=50)), *CONTROLS), MODELS)
    log = SqliteLog(tmp_path_factory.mktemp("lived") / "log")
    for topic in ("events", *trading.WRITES):
        log.create(topic, 1)
    events = [NewRecord(None, value, decode_event(value).recv) for _, value in ran.messages]
    log.append("events", 0, events)
    for topic in trading.WRITES:
        outputs = [output for output in ran.outputs if output.topic == topic]
        written = [NewRecord(o.key.encode(), o.value, o.timestamp, [(HEADER, o.origin.header())]) for o in outputs]
        log.append(topic, 0, written)
    yield log, ran
    log.close()


def at(log: Log, second: float, symbol: str = "AAAUSDT", strategy: str = "s"):
    return models_at(log, 1, FEATURES, strategy, symbol, START + round(second * SECOND), MODELS)


def test_what_was_recorded_is_found_again_at_any_time(lived):
    """Each prediction of the log, of every model; most of the moments from a checkpoint."""
    log, ran = lived
    random, checkpoints = Random(1), set()
    for said in random.sample(ran.predictions, 12):
        found = models_at(log, 1, FEATURES, "s", said.symbol, said.ts + 400_000, MODELS)

        assert found.vector.ts == said.ts
        assert found.identical
        [same] = [spoken for spoken in found.models if (spoken.role, spoken.version) == (said.role, said.model)]
        assert same.recorded == said and same.same
        assert same.probabilities == said.probabilities
        checkpoints.add(found.checkpoint)
    assert len(checkpoints) > 2


def test_between_two_turns_it_says_what_they_would_have_said(lived):
    log, ran = lived
    quiet = next(
        vector
        for vector in map(decode_vector, ran.of("features"))
        if vector.ts > START + 1_000 * SECOND and vector.ts // SECOND % 5 == 3 and not vector.tainted
    )
    found = models_at(log, 1, FEATURES, "s", quiet.symbol, quiet.ts, MODELS)

    assert [(spoken.role, spoken.version, spoken.same) for spoken in found.models] == [
        ("online", "online", None), ("champion", "v1", None), ("shadow", "v2", None),
    ]  # fmt: skip
    assert found.models[1].probabilities == RISES.said
    assert sum(found.models[0].probabilities.values()) == pytest.approx(1)
    assert set(found.models[0].features) == set(FEATURES.names)
    assert set(found.models[1].features) == {"mid_price"}
    assert found.learned > 20


def test_a_model_that_could_not_be_used_says_why(lived):
    log, _ = lived
    champion = next(spoken for spoken in at(log, 1_700).models if spoken.role == "champion")

    assert champion.version == "v9" and not champion.probabilities
    assert "there is no such file" in champion.problem


def test_a_changed_model_file_is_noticed(lived):
    """Not the one that spoke then: the page says so, and the command ends with 1."""
    log, ran = lived
    said = next(said for said in ran.predictions if said.model == "v1")
    found = models_at(log, 1, FEATURES, "s", said.symbol, said.ts, shop(FALLS, type(RISES)("v1", FALLS.said)))

    assert not found.identical


def test_times_and_strategies_that_are_not_there_are_named(lived):
    log, _ = lived
    with pytest.raises(NothingThen, match="no vector of AAAUSDT at or before"):
        at(log, -100)
    with pytest.raises(NothingThen, match="there were: s"):
        at(log, 1_000, strategy="other")
    with pytest.raises(NothingThen, match="no vector of XXXUSDT"):
        at(log, 1_000, symbol="XXXUSDT")


def test_every_file_of_the_log_is_read_from_the_nearest_checkpoint(lived):
    log, _ = lived
    found = at(log, 2_600)

    assert found.checkpoint is not None and found.start > 0
