"""Which part of the log a training learns from."""

from typing import NamedTuple

from connectors.log import Log
from connectors.log.span import span
from learning.datasets import DatasetRequest, Span, TimeBased
from learning.training import CannotTrain
from schemas.codec import UNREADABLE, decode_event
from schemas.learning import Target, Training
from schemas.market import MarketEvent

SECOND = 1_000_000
DAY = 86_400 * SECOND


class Spans(NamedTuple):
    """Times [start, end) of each split, in microseconds UTC."""

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]


def spans(log: Log, shards: int, training: Training, newest: int) -> Spans:
    """The periods of a training, counted back from the newest event, whole seconds; that of training is shorter where
    the log is. Validation and test begin after the embargo.

    Raises:
        CannotTrain: when nothing is left to train on.
    """
    last = newest // SECOND * SECOND
    middle = last - _length(training.test_days)
    before = middle - _length(training.validation_days)
    first = max(beginning(log, shards), before - _length(training.train_days))
    if first >= before:
        raise CannotTrain(
            f"the log holds {max(0, last - first) / DAY:.3g} days, and validation and test alone take"
            f" {(last - before) / DAY:.3g}: wait for more, or shorten learning.training.validation_days and test_days"
        )
    embargo = training.embargo * SECOND
    return Spans(
        (first, before), (min(before + embargo, middle - SECOND), middle), (min(middle + embargo, last - SECOND), last)
    )


def beginning(log: Log, shards: int) -> int:
    """The time of the first market event that is still there, rounded up to whole seconds; far ahead without any."""
    found = [time for shard in range(shards) if (time := _first(log, shard)) is not None]
    return min((-(-time // SECOND) * SECOND for time in found), default=2**62)


def dataset_request(symbols: tuple[str, ...], periods: Spans, target: Target, training: Training) -> DatasetRequest:
    """The dataset of a training; the embargo is in the periods already."""
    plan = TimeBased(*(Span(*period) for period in periods))
    return DatasetRequest(symbols, plan, target, every=training.every, features=training.features)


def _length(days: float) -> int:
    return max(SECOND, round(days * DAY / SECOND) * SECOND)


def _first(log: Log, shard: int) -> int | None:
    start, end = log.start("events", shard), log.end("events", shard)
    for record in span(log, "events", shard, start, end, 100):
        try:
            event = decode_event(record.value or b"")
        except UNREADABLE:
            continue
        if isinstance(event, MarketEvent):
            return event.recv
    return None
