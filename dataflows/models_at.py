"""What the models of a strategy said, or would have said, at any time that the log holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.log import Log, LogError
from connectors.log.span import raw_span, span
from dataflows import trading
from dataflows.rebuild import Memory, begin_at
from operators.engine import Engine
from operators.features.featureset import FeatureSet
from operators.online.models import NO_MODELS, Models
from operators.online.stage import OnlineStage
from operators.spans import HOUR, MINUTE
from schemas.codec import decode_prediction, decode_vector
from schemas.origin import HEADER, Origin
from schemas.prediction import Prediction, Role
from schemas.topics import shard_of
from schemas.vector import FeatureVector


class NothingThen(LogError):
    """There was no vector, or no such strategy, at that time."""


@dataclass
class Spoken:
    """What one model says of the vector.

    ``probabilities`` is empty where it says nothing, ``problem`` why it cannot be used. ``features`` are those that it
    looks at. ``recorded`` is the record of the log, None where none was made (between two turns, say); ``same`` whether
    its bytes are those that the rebuilt flow made, and its probabilities those here; None without a record.
    """

    role: Role
    version: str
    probabilities: dict[str, float]
    features: dict[str, float | None]
    problem: str = ""
    recorded: Prediction | None = None
    same: bool | None = None


@dataclass
class Moment:
    """The newest vector at that time, and every model in force.

    ``learned`` is how many lessons the online model had had. ``start`` is the offset from which the engine was fed,
    ``checkpoint`` the one it went on from; ``same_vector`` whether the rebuilt vector has the bytes of the log's.
    """

    strategy: str
    vector: FeatureVector
    same_vector: bool
    learned: int
    start: int
    checkpoint: int | None
    models: list[Spoken]

    @property
    def identical(self) -> bool:
        """Whether nothing that is on the log came out differently."""
        return self.same_vector and all(spoken.same is not False for spoken in self.models)


def models_at(
    log: Log,
    shards: int,
    features: FeatureSet,
    strategy: str,
    symbol: str,
    time: int,
    models: Models = NO_MODELS,
) -> Moment:
    """Feed an engine up to the newest vector of ``symbol`` at or before ``time`` (microseconds UTC), and ask it.

    Raises:
        NothingThen: when the log has no such vector, or the strategy was not configured then.
        PastLost: when the log no longer holds what the engine must be fed.
    """
    shard = shard_of(symbol, shards)
    published = _vector(log, shard, symbol, time)
    recorded = decode_vector(published)
    offset = recorded.origin.offset
    memory = Memory(features, trading.lookback, trading.layouts(features)[1])
    start = begin_at(log, shard, offset, memory, offset + 1)
    engine = trading.engine(features, shard, models)
    engine.beginning = start.beginning
    made = set(_feed(log, engine, start.offset, offset))
    stage = next(stage for stage in engine.stages if isinstance(stage, OnlineStage))
    if strategy not in stage.accounts.strategies:
        known = ", ".join(stage.accounts.strategies) or "none"
        raise NothingThen(f"there was no strategy {strategy} at that time; there were: {known}")
    watch = stage.watches.get((strategy, symbol))
    return Moment(
        strategy,
        recorded,
        published in made,
        0 if watch is None else watch.learner.learned,
        start.offset,
        start.beginning.asleep if start.beginning and start.beginning.state is not None else None,
        _spoken(stage, strategy, recorded, _recorded(log, shard, strategy, recorded), made),
    )


def _spoken(
    stage: OnlineStage, strategy: str, vector: FeatureVector, recorded: dict[tuple[str, str], bytes], made: set[bytes]
) -> list[Spoken]:
    settings = stage.accounts.strategies[strategy]
    found = []
    for role, (version, sha256) in stage.force.every(settings, vector.symbol):
        problem = stage.force.shelf.refused.get((strategy, version, sha256), "")
        said = None if problem else stage.hearing.said(strategy, vector.symbol, version, vector)
        names = () if problem else stage.hearing.used(strategy, vector.symbol, version)
        spoken = Spoken(
            role,
            version,
            {} if said is None else said.named(),
            {name: vector.features.get(name) for name in names},
            problem,
        )
        value = recorded.get((role, version))
        if value is not None:
            prediction = decode_prediction(value)
            assert isinstance(prediction, Prediction)
            spoken.recorded = prediction
            spoken.same = value in made and prediction.probabilities == spoken.probabilities
        found.append(spoken)
    return found


def _vector(log: Log, shard: int, symbol: str, time: int) -> bytes:
    """The bytes of the newest vector of a symbol at or before ``time``; a symbol may have been silent for long."""
    stop = log.offset_at("features", shard, time + 1_000)
    key = symbol.encode()
    for back in (MINUTE, HOUR, time):
        start = log.offset_at("features", shard, max(0, time - back))
        found = [record.value or b"" for record in span(log, "features", shard, start, stop) if record.key == key]
        if found:
            return found[-1]
    raise NothingThen(
        f"features/{shard}: there is no vector of {symbol} at or before that time; see `lockstep log tail features`"
    )


def _recorded(log: Log, shard: int, strategy: str, vector: FeatureVector) -> dict[tuple[str, str], bytes]:
    """What is on the log of the predictions of a strategy for a vector, by role and version."""
    found: dict[tuple[str, str], bytes] = {}
    start = log.offset_at("predictions", shard, vector.ts)
    for record in span(log, "predictions", shard, start, log.end("predictions", shard)):
        if Origin.parse(dict(record.headers)[HEADER]).offset > vector.origin.offset:
            break
        told = decode_prediction(record.value or b"")
        if isinstance(told, Prediction) and (told.strategy, told.symbol, told.ts) == (
            strategy,
            vector.symbol,
            vector.ts,
        ):
            found[told.role, told.model] = record.value or b""
    return found


def _feed(log: Log, engine: Engine, start: int, last: int) -> Iterator[bytes]:
    """Feed up to and including offset ``last``; the values of what that event caused."""
    for batch in raw_span(log, "events", engine.cursor.shard, start, last + 1):
        yield from (output.value for output in engine.feed(batch) if output.origin.offset == last)
