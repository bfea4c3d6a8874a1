"""Proof, by sample, that no row knows what nobody knew at its time (contracts: features 9, a to e).

A sample of rows is computed again from the log cut off at t: events from one look-back before up to the last one that
stood on the log before the vector of t, and nothing of any other topic. Features must be the same to the bit. The
target is computed again from the log cut off at t + horizon.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from connectors.log import Log
from connectors.log.span import raw_span
from connectors.lookback import PastLost, lookback_offset
from learning.datasets.cut import CutLog
from learning.datasets.errors import LeakageError
from learning.datasets.replayed import RowStage
from learning.datasets.request import DatasetRequest
from learning.datasets.rhythm import Rhythm
from learning.datasets.row import Columns, Row, RowMaker
from operators.engine import Cursor, Engine
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from schemas.codec import encode
from schemas.market import Tick
from schemas.vector import FeatureVector

Compile = Callable[[Any], FeatureSet]
"""Makes the features of what a log (or a ``CutLog``) knows. The registry's need no log."""
NOTHING = FeatureSet("none", [])


class Check(NamedTuple):
    """What rows are checked against."""

    log: Log
    compile: Compile
    columns: Columns
    request: DatasetRequest

    def rows(self, rows: Iterable[Row], step: Callable[[int], None]) -> dict[str, Any]:
        """Compute each again from what was known; what was checked, for the record.

        Raises:
            LeakageError: naming the first row that knows more, what it knows, and what was known.
        """
        checked = []
        features = _Features(self)
        for row in rows:
            self._features(row, features.known(row, step))
            self._target(row, self._label(row, step))
            checked.append({"symbol": row.symbol, "ts": row.ts})
        return {"passed": True, "rows": checked}

    def _features(self, row: Row, known: FeatureVector | None) -> None:
        where = f"{row.symbol} at {row.ts} (events/{row.shard} offset {row.seen})"
        if known is None:
            raise LeakageError(f"leak: the row of {where} does not exist when the log is cut off there")
        for name, value in zip(self.columns.names, row.values, strict=True):
            then = known.features[name]
            if (value == value or then is not None) and value != then:
                raise LeakageError(
                    f"leak: {name} of {where} is {value!r} in the dataset, but {then!r} when the log is cut off there:"
                    " the feature depends on later events, or it was made by other code or another registry"
                )

    def _target(self, row: Row, known: Row | None) -> None:
        if row.matured <= row.seen or known is None or (known.target, known.change) != (row.target, row.change):
            raise LeakageError(
                f"leak: the target of {row.symbol} at {row.ts} is {row.target!r} ({row.change!r}), but"
                f" {None if known is None else (known.target, known.change)!r} from the log between the vectors of"
                f" t and t + horizon (events/{row.shard} offsets {row.seen} to {row.matured})"
            )

    def _label(self, row: Row, step: Callable[[int], None]) -> Row | None:
        """The row's target, from the log cut off at t + horizon; of features only what the target needs."""
        request, until = self.request, row.ts + self.request.horizon
        columns = Columns((), self.columns.deviation)
        maker = RowMaker((row.symbol,), columns, request.target, request.every, row.ts, until)
        known = NOTHING
        if columns.deviation is not None:
            then = self.compile(CutLog(self.log, row.shard, row.seen))
            known = Rhythm(then, request.every, row.ts, until)
        engine = _engine(row.shard, known, maker)
        begin = warm(self.log, row.shard, row.ts - _market(engine).lookback)
        _feed(self.log, engine, begin, row.matured, step)
        engine.feed([(row.matured, encode(Tick(until + 1)))])
        return next((made for made in maker.made if made.ts == row.ts), None)


class _Features:
    """Computes vectors again; goes on from the row before where that is nearer than a look-back."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.engine: Engine | None = None
        self.position = 0
        self.shard = -1

    def known(self, row: Row, step: Callable[[int], None]) -> FeatureVector | None:
        """The vector of a row, from the log cut off right before the event that closed its second."""
        log = self.check.log
        features = self.check.compile(CutLog(log, row.shard, row.seen))
        vectors = _Vectors(row)
        begin = warm(log, row.shard, row.ts - MarketStage(features, Cursor(0)).lookback)
        if self.engine is None or self.shard != row.shard or not begin <= self.position <= row.seen:
            self.engine, self.position, self.shard = _engine(row.shard, features, vectors), begin, row.shard
        engine = self.engine
        _market(engine).features = NOTHING
        _feed(log, engine, self.position, row.seen, step)
        market = _market(engine)
        market.features, engine.stages[1] = features, _Listening(vectors)
        state = market.snapshot()
        engine.feed([(row.seen, encode(Tick(row.ts + 1)))])
        # The tick is ours: what follows must be fed to a stage that never heard it.
        market.restore(state)
        self.position = row.seen
        return vectors.found


class _Vectors:
    """Finds the vector of one row."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.found: FeatureVector | None = None

    def feed(self, record: Any) -> None:
        if isinstance(record, FeatureVector) and (record.symbol, record.ts) == (self.row.symbol, self.row.ts):
            self.found = record


class _Listening:
    """Feeds whatever it hears to one listener."""

    layout = 1
    takes = RowStage.takes

    def __init__(self, listener: "_Vectors | RowMaker") -> None:
        self.listener = listener

    def feed(self, record: Any, out: list[Any]) -> None:
        self.listener.feed(record)

    def snapshot(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        pass


def _engine(shard: int, features: FeatureSet, listener: "_Vectors | RowMaker") -> Engine:
    def stages(cursor: Cursor) -> list[Any]:
        return [MarketStage(features, cursor), _Listening(listener)]

    return Engine(shard, stages)


def _market(engine: Engine) -> MarketStage:
    stage = engine.stages[0]
    assert isinstance(stage, MarketStage)
    return stage


def _feed(log: Log, engine: Engine, start: int, stop: int, step: Callable[[int], None]) -> None:
    for batch in raw_span(log, "events", engine.cursor.shard, start, stop):
        engine.feed(batch)
        step(len(batch))


def warm(log: Log, shard: int, time: int) -> int:
    """The offset to begin at so that all is known at ``time`` + a look-back; less where retention took it."""
    try:
        return lookback_offset(log, shard, max(time, 0))
    except PastLost:
        return log.start("events", shard)
