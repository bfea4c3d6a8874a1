"""Labels from executions: what a signal earned, with the market as it was when the signal was made.

``executions_table`` joins the executions on ``account`` with the signals on ``signals`` by ``signal_id``. A row is an
entry signal whose position has been closed; how parts of closings are attributed says ``learning.lots``. Its features
are the signal's snapshot, which was taken when the signal was made, so that none of them knows what came of it.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Any

import msgspec
import pyarrow as pa

from connectors.log import Log
from connectors.log.span import span
from learning.datasets.errors import DatasetError
from learning.datasets.files import TIME
from learning.lots import Closed, Lots
from operators.labels.label import classify
from schemas.account import Execution
from schemas.codec import UNREADABLE, decode_account, decode_signal
from schemas.signal import TradingSignal

KEPT = 100_000
"""So many signals of a shard are remembered while nobody has executed them."""
SNAPSHOT = ("price", "spread", "spread_percent", "volume_24h", "volatility", "bid_depth", "ask_depth")
LABELS = ("realized_pnl", "return", "slippage", "slippage_rate", "binary", "label")


class ExecutionLabel(msgspec.Struct, frozen=True):
    """What a signal of ``ts`` earned, known at ``closed`` (microseconds UTC).

    ``realized_pnl`` is after fees and ``slippage`` what entering cost more than the signal's mid, in quote currency;
    ``change`` the profit after fees over what was entered, ``slippage_rate`` the slippage over its value at the
    signal's mid. ``binary`` is 1 for a profit, else 0; ``label`` is 1, 0 or -1 by the threshold for ``change``.
    ``features`` are the signal's: side (1 buy, -1 sell), amount, confidence, snapshot and indicators.
    """

    signal_id: str
    strategy: str
    symbol: str
    ts: int
    closed: int
    features: dict[str, float | None]
    realized_pnl: float
    change: float
    slippage: float
    slippage_rate: float
    binary: int
    label: int
    is_warmup: bool
    model_version: str | None
    feature_registry_version: str


def execution_labels(log: Log, shards: int, threshold: float = 0.0) -> Iterator[ExecutionLabel]:
    """The labels of a whole log, shard by shard, in the order in which their positions were closed.

    Args:
        log: with the topics ``account`` and ``signals``.
        shards: how many they have.
        threshold: of the return, for the class.
    """
    for shard in range(shards):
        lots, signals = Lots(), dict[str, TradingSignal]()
        for record in _together(log, shard):
            if isinstance(record, TradingSignal):
                _remember(signals, record)
                continue
            for closed in lots.feed(record):
                signal = signals.pop(closed.signal_id or "", None)
                if signal is not None and signal.kind == "entry":
                    yield _label(signal, closed, threshold)


def executions_table(
    log: Log,
    shards: int,
    start: int,
    end: int,
    *,
    threshold: float = 0.0,
    strategies: Sequence[str] = (),
    least: int = 1,
) -> pa.Table:
    """The labels of signals of [start, end), times in microseconds UTC, in the order of time.

    Columns: ``timestamp``, ``symbol``, ``strategy``, ``signal_id``, ``closed``, the features (float64, null where not
    known), then ``realized_pnl``, ``return``, ``slippage``, ``slippage_rate``, ``binary`` and ``label``. Signals whose
    position was still open before ``end`` are left out: nobody knew then what they would earn.

    Args:
        log: with the topics ``account`` and ``signals``.
        shards: how many they have.
        start, end: when the signals were made.
        threshold: of the return, for the class.
        strategies: those that count; none: all.
        least: how many there must be.

    Raises:
        DatasetError: when there are fewer.
    """
    found = [
        label
        for label in execution_labels(log, shards, threshold)
        if start <= label.ts and label.closed < end and (not strategies or label.strategy in strategies)
    ]
    if len(found) < least:
        raise DatasetError(
            f"there are {len(found)} entries that were executed and closed from {start} to {end} (microseconds UTC),"
            f" and {least} are needed: wait for more, or ask for a longer period"
        )
    return as_table(sorted(found, key=lambda label: (label.ts, label.symbol, label.signal_id)))


def as_table(labels: Sequence[ExecutionLabel]) -> pa.Table:
    """Labels as columns."""
    names = list(dict.fromkeys(name for label in labels for name in label.features))
    columns: dict[str, Any] = {
        "timestamp": pa.array([label.ts for label in labels], TIME),
        "symbol": pa.array([label.symbol for label in labels], pa.string()),
        "strategy": pa.array([label.strategy for label in labels], pa.string()),
        "signal_id": pa.array([label.signal_id for label in labels], pa.string()),
        "closed": pa.array([label.closed for label in labels], TIME),
    }
    for name in names:
        columns[name] = pa.array([label.features.get(name) for label in labels], pa.float64())
    for name in LABELS:
        kind = pa.int8() if name in ("binary", "label") else pa.float64()
        columns[name] = pa.array([getattr(label, "change" if name == "return" else name) for label in labels], kind)
    return pa.table(columns)


def _label(signal: TradingSignal, closed: Closed, threshold: float) -> ExecutionLabel:
    entered = closed.size * closed.entry
    change = closed.net / entered
    return ExecutionLabel(
        signal.signal_id,
        signal.strategy,
        signal.symbol,
        signal.ts,
        closed.closed,
        _features(signal),
        closed.net,
        change,
        closed.slippage,
        closed.slippage / (closed.size * signal.snapshot.price),
        int(closed.net > 0),
        classify(change, threshold),
        signal.is_warmup,
        signal.model_version,
        signal.feature_registry_version,
    )


def _features(signal: TradingSignal) -> dict[str, float | None]:
    snapshot = signal.snapshot
    found: dict[str, float | None] = {
        "side": 1.0 if signal.side == "buy" else -1.0,
        "amount": signal.amount,
        "confidence": signal.confidence,
    }
    found |= {name: getattr(snapshot, name) for name in SNAPSHOT}
    return found | snapshot.indicators


def _remember(signals: dict[str, TradingSignal], signal: TradingSignal) -> None:
    signals[signal.signal_id] = signal
    if len(signals) > KEPT:
        del signals[next(iter(signals))]


def _together(log: Log, shard: int) -> Iterator[TradingSignal | Execution]:
    """Signals and executions of a shard in the order of the events that caused them."""
    return merge(_signals(log, shard), _executions(log, shard), key=lambda record: record.origin)


def _signals(log: Log, shard: int) -> Iterator[TradingSignal]:
    for record in span(log, "signals", shard, log.start("signals", shard), log.end("signals", shard)):
        try:
            yield decode_signal(record.value or b"")
        except UNREADABLE:
            continue


def _executions(log: Log, shard: int) -> Iterator[Execution]:
    for record in span(log, "account", shard, log.start("account", shard), log.end("account", shard)):
        try:
            event = decode_account(record.value or b"")
        except UNREADABLE:
            continue
        if isinstance(event, Execution):
            yield event
