"""What a backtest is asked for: places and strategies become offsets and settings."""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import msgspec
import structlog

from connectors.activations import Placed as Activated
from connectors.log import Log, LogError, Record
from connectors.log.span import span
from connectors.lookback import PastLost, lookback_offset, time_at
from dataflows import trading
from dataflows.admission import BY, Admission
from dataflows.backtest import Range, Request
from dataflows.code import code_digest
from dataflows.history import MARKS, Placed, controls, in_force
from dataflows.positions import Place
from dataflows.registries import Registries
from operators.features.featureset import FeatureSet
from operators.trading.stage import InForce
from schemas.account import AccountConfigured
from schemas.codec import encode
from schemas.events import Control
from schemas.model import ModelActivated
from schemas.registry import RegistryActivated
from schemas.strategy import Strategy, StrategyConfigured

STEP = 500


class NothingToTest(LogError):
    """The question has no answer: an empty range, or no strategy."""


class Question(msgspec.Struct):
    """As a person asks it.

    Args:
        first, last: the range.
        files: strategies to test instead of the log's.
        only: the log's strategies that count; empty: all.
        otherwise: finds the strategies where neither files nor the log have any.
        account: in force where the log has none.
        source: what the events are, for the record.
        models: in force all the way, by strategy, instead of the log's (None there: warm-up); None: the log's.
        own_registry: the features that are asked with count all the way, whatever registry the log activates.
    """

    first: Place
    last: Place
    files: Sequence[Strategy]
    only: frozenset[str]
    otherwise: Callable[[], Sequence[Strategy]]
    account: AccountConfigured
    source: str
    models: Mapping[str, InForce | None] | None = None
    own_registry: bool = False

    def activations(self) -> tuple[ModelActivated, ...] | None:
        """``models`` as the events that put them in force."""
        if self.models is None:
            return None
        chosen = [(name, model) for name, model in sorted(self.models.items()) if model is not None]
        return tuple(
            ModelActivated(recv=1, strategy=name, version=model.version, sha256=model.sha256, by=BY)
            for name, model in chosen
        )


def ask(log: Log, shards: int, features: FeatureSet, registry: str, question: Question) -> Request:
    """The request that a question means on a log.

    Args:
        log: where the events are.
        shards: how many shards they have.
        features: of the registry in force before the log activates one.
        registry: the registry's digest.
        question: what is asked.

    Raises:
        NothingToTest: when the range has no events, or there is no strategy.
    """
    limits = [_limits(log, shard, question) for shard in range(shards)]
    if all(first >= stop for first, stop in limits):
        raise NothingToTest("there is no event between --from and --to: see `lockstep log describe events`")
    placed = [list(controls(log, shard, stop)) for shard, (_, stop) in enumerate(limits)]
    strategies, where = _strategies(placed, question)
    own = where != "the log"
    models = question.activations()
    admission = Admission(own, question.only or None, models is not None, question.own_registry)
    begin = [
        _begin(found, first, strategies, own, admission, question)
        for found, (first, _) in zip(placed, limits, strict=True)
    ]
    registries = [Registries(features, [] if question.own_registry else _activated(found)) for found in placed]
    ranges = [
        _range(log, shard, first, stop, registries[shard], events)
        for shard, ((first, stop), events) in enumerate(zip(limits, begin, strict=True))
    ]
    versions = [
        found.versions(each.first, each.begins) for found, each in zip(registries, ranges, strict=True) if each.begins
    ]
    return Request(
        tuple(ranges),
        tuple(strategies),
        _account(placed, question),
        own,
        tuple(sorted(question.only)) or None,
        where,
        question.source,
        registry,
        ", ".join(dict.fromkeys(name for names in versions for name in names)) or features.version,
        code_digest(),
        models,
        question.own_registry,
    )


def _limits(log: Log, shard: int, question: Question) -> tuple[int, int]:
    start, end = log.start("events", shard), log.end("events", shard)
    first, stop = (min(max(place(log, "events", shard), start), end) for place in (question.first, question.last))
    return first, max(first, stop)


def _strategies(placed: Sequence[Sequence[Placed]], question: Question) -> tuple[list[Strategy], str]:
    """The strategies in force at the end, and where they are from."""
    if question.files:
        return sorted(question.files, key=lambda one: one.strategy), "--strategy"
    found: dict[str, Strategy] = {}
    for events in placed:
        for _, event in events:
            if isinstance(event, StrategyConfigured):
                found[event.settings.strategy] = event.settings
    where = "the log"
    if not found:
        found, where = {one.strategy: one for one in question.otherwise()}, "config/strategies"
    if unknown := question.only - set(found):
        raise NothingToTest(f"--strategy {sorted(unknown)[0]}: {where} has {', '.join(sorted(found)) or 'none'}")
    kept = [found[name] for name in sorted(found) if not question.only or name in question.only]
    if not kept:
        raise NothingToTest("there is no strategy: name one with --strategy FILE")
    return kept, where


def _account(placed: Sequence[Sequence[Placed]], question: Question) -> AccountConfigured:
    """The terms of the paper account: the log's own, of a live one too, or else those of the settings."""
    events = [event for found in placed for _, event in found if isinstance(event, AccountConfigured)]
    paper = [event for event in events if event.kind == "paper"]
    terms = (paper or events or [question.account])[0]
    return msgspec.structs.replace(terms, kind="paper", recv=1)


def _begin(
    placed: Sequence[Placed],
    first: int,
    strategies: Sequence[Strategy],
    own: bool,
    admission: Admission,
    question: Question,
) -> tuple[bytes, ...]:
    """The events that are in force from offset ``first`` on.

    A log that configures a paper account later on, beside strategies of its own, says itself when trading begins.
    """
    known = [event for event in in_force(placed, first) if admission.admits(event)]
    before = [event for event in known if not isinstance(event, RegistryActivated)]
    has_account = any(isinstance(event, AccountConfigured) for event in before)
    later = any(isinstance(event, AccountConfigured) and admission.admits(event) for _, event in placed)
    events: list[Control] = [] if has_account or (later and not own) else [_account([placed], question)]
    events += before
    if own:
        events += [StrategyConfigured(recv=1, settings=settings, by=BY) for settings in strategies]
    events += question.activations() or ()
    return tuple(encode(event) for event in events)


def _activated(placed: Sequence[Placed]) -> list[Activated]:
    return [Activated(offset, event) for offset, event in placed if isinstance(event, RegistryActivated)]


def _range(log: Log, shard: int, first: int, stop: int, registries: Registries, events: tuple[bytes, ...]) -> Range:
    if first >= stop:
        return Range(first, stop, first, 0, 0, "", events)
    head = _first_of_market(log, shard, first, stop)
    if head is None:
        return Range(first, stop, first, 0, 0, "", events)
    tail = _last_of_market(log, shard, first, stop)
    mark = f"{crc32(head.value or b''):08x}{crc32(tail.value or b''):08x}"
    warm = _warm(log, shard, first, head, registries.lookback(trading.lookback, first, head.timestamp))
    before = registries.before(warm, time_at(log, shard, warm))
    return Range(first, stop, warm, head.timestamp, tail.timestamp, mark, events, before)


def _warm(log: Log, shard: int, first: int, head: Record, lookback: int) -> int:
    """Where the market must be fed from; less where retention took it, which makes the first features null."""
    try:
        return min(first, lookback_offset(log, shard, head.timestamp - lookback))
    except PastLost:
        start = log.start("events", shard)
        if first > start:
            structlog.get_logger().warning("backtest.short_warm_up", shard=shard, begins=start, wanted=lookback)
        return min(first, start)


def _first_of_market(log: Log, shard: int, first: int, stop: int) -> Record | None:
    """Control events tell no time of the market: those at the head of a log are of 1970."""
    return next((record for record in span(log, "events", shard, first, stop, STEP) if _of_market(record)), None)


def _last_of_market(log: Log, shard: int, first: int, stop: int) -> Record:
    upper, step = stop, STEP
    while True:
        lower = max(first, upper - step)
        found = [record for record in span(log, "events", shard, lower, upper) if _of_market(record)]
        if found:
            return found[-1]
        assert lower > first, "only asked for a range that has one"
        upper, step = lower, step * 4


def _of_market(record: Record) -> bool:
    value = record.value or b""
    return bool(value) and not any(mark in value for mark in MARKS)
