"""The market stage: books, tapes, candles and tickers in, one feature vector per symbol and second out."""

from collections.abc import Callable
from typing import Any

from operators.book import Outcome
from operators.engine import Cursor, Refused
from operators.features.featureset import FeatureSet
from operators.spans import MINUTE, SECOND
from operators.symbol import SymbolState
from operators.versions import FURTHEST, RegistryInForce, Versions
from schemas.command import Resync
from schemas.market import (
    BookDelta,
    BookSnapshot,
    Funding,
    Gap,
    Kline,
    Tick,
    Ticker,
    Trade,
)
from schemas.quality import Problem, QualityRecord
from schemas.registry import RegistryActivated, RegistryChange
from schemas.vector import FeatureVector, Interval

JUMP = 60 * SECOND
"""Only a tick may turn the clock further than this in one step: one wrong time must not swallow a day."""
MARGIN = 10 * MINUTE
"""What a rebuild reads beyond the longest look-back: a silence, the life of a book, a keyframe's interval."""
REMEMBERED = FURTHEST + MARGIN
"""How long a silent symbol is kept, whichever registry is in force: the next one may look back further."""
ASK_AGAIN = 10 * SECOND
"""A book that is still unsynchronised asks for a snapshot again after this long."""

Detail = dict[str, int | float | str]

INTERVALS: tuple[tuple[Interval, int], ...] = (("1s", 1), ("3s", 3), ("15s", 15), ("1m", 60))


def closes_at(t: int) -> list[Interval]:
    """Which intervals end at the whole second ``t`` (microseconds).

    >>> closes_at(75 * SECOND)
    ['1s', '3s', '15s']
    """
    second = t // SECOND
    return [name for name, seconds in INTERVALS if second % seconds == 0]


class MarketStage:
    """Turns the events of one shard into vectors and quality records.

    The clock is the greatest ``recv`` seen. The vectors for the whole second t, one per symbol in sorted order, come
    out before the first event with ``recv`` > t is applied. A late event is applied at the clock: it never turns the
    clock back. A symbol that was silent for ``SILENCE`` publishes nothing; after its next event it begins again at the
    next whole second, and what it knew of its windows counts from there, so that a long silence neither produces
    thousands of vectors nor passes for a quiet market.

    One wrong time must not stop a shard. Only a tick turns the clock by more than ``JUMP``; an event that would is
    refused. The very first event has no clock to be held against: it is believed until the first tick, and where that
    lies more than ``JUMP`` before it, the stage begins anew with the tick.

    Everything is a pure function of a bounded look-back, ``lookback`` microseconds.

    Args:
        features: what vectors hold, until an activation on the log says otherwise.
        cursor: names what is derived.
        follows: whether activations of feature registries count. Each then leaves a ``RegistryChange``, and the vectors
            of its boundary and later ones are computed by it; behind such a boundary ``features`` is another one.
    """

    layout = 3

    def __init__(self, features: FeatureSet, cursor: Cursor, follows: bool = False) -> None:
        self.features = features
        self.versions = Versions(features) if follows else None
        self.cursor = cursor
        self.lookback = features.lookback_us + MARGIN
        self.clock: int | None = None
        self.ticked = False
        self.boundary = 0
        self.symbols: dict[str, SymbolState] = {}
        self._apply: dict[type, Callable[..., None]] = {
            BookDelta: self._book_delta,
            BookSnapshot: self._book_snapshot,
            Trade: self._trade,
            Kline: self._kline,
            Ticker: self._ticker,
            Funding: self._funding,
            Gap: self._gap,
        }

    def feed(self, record: Any, out: list[Any]) -> None:
        """Close the seconds that ended before ``record``, then apply it."""
        apply = self._apply.get(type(record))
        if apply is None:
            if type(record) is Tick:
                self._tick(record.recv, out)
            elif type(record) is RegistryActivated and self.versions is not None:
                out.append(self._activated(record, self.versions))
            out.append(record)
            return
        clock = self.clock
        recv = record.recv
        if clock is None or recv > clock:
            if clock is not None and recv > clock + JUMP:
                raise Refused(
                    f"recv is {(recv - clock) / SECOND:.0f} s ahead of the shard's clock, and no tick says so:"
                    " the event is dated in the future"
                )
            self._advance(recv, out)
        state = self.symbols.get(record.symbol)
        if state is None:
            state = self.symbols[record.symbol] = SymbolState()
        apply(record, state, self.clock, out)
        out.append(record)

    def snapshot(self) -> Any:
        """The state as plain data."""
        symbols = [(name, state.snapshot()) for name, state in self.symbols.items()]
        versions = None if self.versions is None else self.versions.snapshot()
        return self.clock, self.ticked, self.boundary, symbols, versions

    def restore(self, state: Any) -> None:
        """The inverse of ``snapshot``."""
        self.clock, self.ticked, self.boundary, symbols, versions = state
        self.symbols = {name: SymbolState.restore(data) for name, data in symbols}
        if self.versions is not None and versions is not None:
            self.versions.restore(versions)
            self._reach(self.boundary - SECOND, [])

    # --- the clock ---

    def _tick(self, recv: int, out: list[Any]) -> None:
        if not self.ticked:
            self.ticked = True
            # What came before the first tick had nothing but its own word for its time.
            if self.clock is not None and recv < self.clock - JUMP:
                self.clock = None
                self.symbols.clear()
        self._advance(recv, out)

    def _advance(self, recv: int, out: list[Any]) -> None:
        if self.clock is None:
            self.boundary = -(-recv // SECOND) * SECOND
            self._reach(self.boundary - SECOND, out)
        elif recv <= self.clock:
            return
        elif recv > self.boundary:
            self._close_until(recv, out)
        self.clock = recv

    def _close_until(self, recv: int, out: list[Any]) -> None:
        """Publish every second before ``recv``; once all symbols are silent, go straight to the next whole second."""
        t = self.boundary
        while t < recv:
            active = [name for name, state in self.symbols.items() if state.active(t)]
            if not active:
                t = -(-recv // SECOND) * SECOND
                self._reach(t - SECOND, out)
                break
            self._reach(t, out)
            if t % MINUTE == 0:
                self._minute(t)
            for name in sorted(active):
                out.append(self._vector(name, self.symbols[name], t, recv))
            t += SECOND
        self.boundary = t

    def _reach(self, t: int, out: list[Any]) -> None:
        """Come to second ``t``: whoever stands behind hears of another registry before its first vectors."""
        versions = self.versions
        if versions is not None and versions.known and versions.reach(t, self.ticked):
            self.features = versions.features
            out.append(RegistryInForce(self.features.version))

    def _minute(self, t: int) -> None:
        """Close the minute's candles, and forget symbols that have not been heard of for longer than any look-back.

        A silent symbol gets no candle: whether it did must not depend on which others share its shard.
        """
        for state in self.symbols.values():
            if state.active(t):
                state.close_minute(t)
        self.symbols = {name: state for name, state in self.symbols.items() if state.idle(t) <= REMEMBERED}

    def _vector(self, symbol: str, state: SymbolState, t: int, recv: int) -> FeatureVector:
        taint = state.taint(t)
        return FeatureVector(
            symbol,
            t,
            recv,
            closes_at(t),
            self.features.compute(state.view(t)),
            self.features.version,
            bool(taint),
            taint,
            self.cursor.next(),
        )

    # --- the registry ---

    def _activated(self, event: RegistryActivated, versions: Versions) -> RegistryChange:
        """Take an activation in, and tell from which second on it counts here."""
        declared = -(-event.at // SECOND) * SECOND
        at = max(declared, self.boundary)
        before = versions.before(at)
        # Until the first tick the clock is not to be trusted: it may have to be turned back.
        problem = versions.read(event, at if self.ticked else declared)
        return RegistryChange(
            event.version,
            event.recv if self.clock is None else self.clock,
            at,
            before,
            self.cursor.next(),
            event.config,
            event.sha256,
            late=declared < self.boundary,
            usable=not problem,
            problem=problem,
            rollback=event.rollback,
            reason=event.reason,
            by=event.by,
            decision=event.decision,
        )

    # --- the events ---

    def _book_delta(self, event: BookDelta, state: SymbolState, clock: int, out: list[Any]) -> None:
        state.heard(clock)
        outcome = state.book_delta(event, clock)
        if outcome not in ("applied", "stale"):
            self._desynchronised(event, state, clock, outcome, out)

    def _book_snapshot(self, event: BookSnapshot, state: SymbolState, clock: int, out: list[Any]) -> None:
        if not event.keyframe:
            state.heard(clock)
        lost = state.lost_book
        outcome = state.book_snapshot(event, clock)
        if outcome == "crossed":
            self._desynchronised(event, state, clock, outcome, out)
        elif outcome == "mismatch":
            out.append(self._quality(event.symbol, clock, "keyframe.mismatch", {"u": event.u}))
        elif lost and not state.lost_book:
            out.append(self._quality(event.symbol, clock, "book.synchronised", {"u": event.u}))

    def _desynchronised(
        self,
        event: BookDelta | BookSnapshot,
        state: SymbolState,
        clock: int,
        outcome: Outcome,
        out: list[Any],
    ) -> None:
        """Report the loss once, and ask for a snapshot now and again until one comes."""
        if not state.lost_book:
            state.lost_book = True
            problem: Problem = "book.crossed" if outcome == "crossed" else "book.desynchronised"
            detail: Detail = {"u": event.u, "reason": outcome}
            out.append(self._quality(event.symbol, clock, problem, detail))
        if state.asked_at is None or clock - state.asked_at >= ASK_AGAIN:
            state.asked_at = clock
            out.append(Resync(event.symbol, clock, outcome, self.cursor.next()))

    def _trade(self, event: Trade, state: SymbolState, clock: int, out: list[Any]) -> None:
        if event.backfilled:
            return
        state.heard(clock)
        if not state.trade(event, clock):
            out.append(self._quality(event.symbol, clock, "trade.duplicate", {"id": event.id}))

    def _kline(self, event: Kline, state: SymbolState, clock: int, out: list[Any]) -> None:
        if not event.backfilled:
            state.heard(clock)
        state.kline(event, clock)

    def _ticker(self, event: Ticker, state: SymbolState, clock: int, out: list[Any]) -> None:
        state.heard(clock)
        state.ticker(event, clock)

    def _funding(self, event: Funding, state: SymbolState, clock: int, out: list[Any]) -> None:
        if not event.backfilled:
            state.heard(clock)
        state.funding_rate(event, clock)

    def _gap(self, event: Gap, state: SymbolState, clock: int, out: list[Any]) -> None:
        state.gap(event, clock)
        detail: Detail = {
            "channel": event.channel,
            "reason": event.reason,
            "from": event.start,
            "to": event.end,
        }
        out.append(self._quality(event.symbol, clock, "gap", detail))

    def _quality(self, symbol: str, clock: int, problem: Problem, detail: Detail) -> QualityRecord:
        return QualityRecord(symbol, clock, problem, detail, self.cursor.next())
