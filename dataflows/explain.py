"""Rebuilds the moment of one signal from the log: what the engine knew, and what it made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.log import Log, LogError, Record
from dataflows import trading
from dataflows.admission import Admission
from dataflows.backtest import Request, beginning
from dataflows.digest import records
from dataflows.history import MARKS
from dataflows.rebuild import Memory, Start, begin_at
from operators.engine import Engine, Raw
from operators.features.featureset import FeatureSet
from operators.market import MarketStage
from operators.online.models import NO_MODELS, Models
from schemas.codec import UNREADABLE, decode_decision, decode_event, decode_signal, decode_vector
from schemas.decision import Decision
from schemas.market import Level
from schemas.output import Output
from schemas.signal import TradingSignal
from schemas.vector import FeatureVector

LEVELS = 10
"""Of each side of the book."""
BATCH = 2_000


class UnknownSignal(LogError):
    """There is no such signal."""


class OtherRegistry(LogError):
    """The signal rests on features that are computed in another way."""


@dataclass
class Explanation:
    """What is on the log about a signal, and what rebuilding its moment gave.

    ``event`` is the event that caused it; ``bids`` and ``asks`` are the best levels behind it, best first; ``vector``
    is the newest one of the symbol. ``same`` says for ``decision`` and ``signal`` whether the rebuilt bytes are those
    on the log. ``start`` is the offset from which the engine was fed, ``checkpoint`` the one it went on from.
    """

    signal: TradingSignal
    decision: Decision | None
    event: Any
    bids: Sequence[Level]
    asks: Sequence[Level]
    vector: FeatureVector | None
    same: dict[str, bool]
    start: int
    checkpoint: int | None

    @property
    def identical(self) -> bool:
        return all(self.same.values())


@dataclass
class Place:
    """Where a flow ran: the log of its events, the log of its outputs, and how its engine began at an offset.

    ``admits`` says which events counted.
    """

    events: Log
    outputs: Log
    shards: int
    begin: Callable[[int, int], Start]
    admits: Callable[[Raw], bool]


def live(log: Log, shards: int, features: FeatureSet) -> Place:
    """The trading flow of a log."""
    memory = Memory(features, trading.lookback, trading.layouts(features)[1])

    def begin(shard: int, offset: int) -> Start:
        return begin_at(log, shard, offset, memory, offset + 1)

    return Place(log, log, shards, begin, lambda message: True)


def of_backtest(log: Log, own: Log, request: Request) -> Place:
    """A backtest of ``log`` that wrote its outputs to ``own``."""
    admission = request.admission()

    def begin(shard: int, offset: int) -> Start:
        return Start(request.ranges[shard].warm, beginning(request.ranges[shard]))

    return Place(log, own, len(request.ranges), begin, lambda message: _admitted(admission, message))


def explain(place: Place, features: FeatureSet, signal_id: str, models: Models = NO_MODELS) -> Explanation:
    """Find a signal, feed an engine up to the event that caused it, and compare.

    Raises:
        UnknownSignal: when the log has no signal of this id.
        OtherRegistry: when it was made with other features than ``features``, or those that the log activated.
        PastLost: when the log no longer holds what the engine must be fed.
    """
    recorded = _find(place, "signals", signal_id)
    if recorded is None:
        raise UnknownSignal(
            f"there is no signal {signal_id} on the topic signals of this log: see `lockstep log tail signals`, or say"
            " with --run of which backtest it is"
        )
    signal = decode_signal(recorded.value or b"")
    decided = _find(place, "decisions", signal_id)
    shard, offset = signal.origin.shard, signal.origin.offset
    start = place.begin(shard, offset)
    engine = trading.engine(features, shard, models)
    engine.beginning = start.beginning
    outputs, vector, message = _feed(place, engine, start.offset, offset, signal.symbol)
    _check_registry(engine, signal)
    made = {output.value for output in outputs if output.origin.offset == offset}
    bids, asks = _book(engine, signal.symbol)
    return Explanation(
        signal,
        None if decided is None else decode_decision(decided.value or b""),
        decode_event(message),
        bids,
        asks,
        vector,
        {"decision": decided is not None and decided.value in made, "signal": recorded.value in made},
        start.offset,
        start.beginning.asleep if start.beginning and start.beginning.state is not None else None,
    )


def _check_registry(engine: Engine, signal: TradingSignal) -> None:
    market = engine.stages[0]
    assert isinstance(market, MarketStage), "the market stands first"
    if signal.feature_registry_version != market.features.version:
        raise OtherRegistry(
            f"signal {signal.signal_id} was made with feature registry {signal.feature_registry_version}; by settings"
            f" and log {market.features.version} was in force: set LOCKSTEP_REGISTRY to the file of that version"
        )


def _find(place: Place, topic: str, signal_id: str) -> Record | None:
    """The record of a signal or of its decision."""
    wanted = f'"signal_id":"{signal_id}"'.encode()
    for shard in range(place.shards):
        for record in records(place.outputs, topic, shard):
            if wanted in (record.value or b""):
                return record
    return None


def _feed(
    place: Place, engine: Engine, start: int, last: int, symbol: str
) -> tuple[list[Output], FeatureVector | None, bytes]:
    """Feed up to and including offset ``last``: what that event caused, the symbol's newest vector, and the event."""
    reader = place.events.reader("events", engine.cursor.shard, start)
    caused: list[Output] = []
    newest: Output | None = None
    message = b""
    try:
        while reader.position <= last:
            batch = [found for found in reader.poll_raw(BATCH) if found[0] <= last]
            for output in engine.feed([found for found in batch if place.admits(found)]):
                if output.topic == "features" and output.key == symbol:
                    newest = output
                if output.origin.offset == last:
                    caused.append(output)
            message = batch[-1][1] or b"" if batch else message
            if not batch:
                reader.wait(0.2)
    finally:
        reader.close()
    return caused, None if newest is None else decode_vector(newest.value), message


def _book(engine: Engine, symbol: str) -> tuple[Sequence[Level], Sequence[Level]]:
    market = engine.stages[0]
    assert isinstance(market, MarketStage), "the market stands first"
    state = market.symbols.get(symbol)
    if state is None or not state.book.synchronised:
        return [], []
    return state.book.top(LEVELS)


def _admitted(admission: Admission, message: Raw) -> bool:
    value = message[1] or b""
    if not any(mark in value for mark in MARKS):
        return True
    try:
        return admission.admits(decode_event(value))
    except UNREADABLE:
        return True
