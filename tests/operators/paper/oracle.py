"""The paper exchange again, by brute force: exact fractions, the whole history at hand, nothing carried along.

It reads the same rows (what the market was at every event) and the same signals, and says what every order event and
the ledgers at the end must be.
"""

from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from operators.spans import HOUR, MINUTE
from schemas.account import AccountConfigured
from schemas.market import Funding, Gap, Ticker, Trade
from schemas.signal import TradingSignal

MILLI = Fraction(1, 1000)


class Row(NamedTuple):
    """The market at one event. ``books``: symbol to (bids, asks) where ``Quotes`` shows one; ``alive``: heard of within
    the last minute; ``prices``: what positions are valued at."""

    offset: int
    clock: int
    event: Any
    books: dict[str, tuple[dict[float, float], dict[float, float]]]
    alive: dict[str, bool]
    prices: dict[str, float]
    repeated: bool


def exact(value: float) -> Fraction:
    return Fraction(str(value))


def steps(value: Fraction) -> Fraction:
    return floor(value / MILLI) * MILLI


class Oracle:
    """``replay`` gives (offset, signal id, status, quantity, price, filled, average, fees) of every order event."""

    def __init__(self, rows: list[Row], signals: list[TradingSignal]) -> None:
        self.rows = rows
        self.signals = signals
        self.events: list[tuple] = []
        self.accounts: dict[str, dict[str, Any]] = {}
        self.sent: list[dict[str, Any]] = []
        self.terms: AccountConfigured | None = None

    def replay(self) -> list[tuple]:
        for index, row in enumerate(self.rows):
            self.index, self.row = index, row
            if isinstance(row.event, AccountConfigured):
                self.terms = row.event
            elif self.terms is not None:
                self.step(row)
            self.sent += [self.order(signal) for signal in self.signals if signal.origin.offset == row.offset]
        return self.events

    def step(self, row: Row) -> None:
        for symbol in sorted(self.accounts):
            account = self.accounts[symbol]
            if account["plan"] and row.clock >= account["plan"][1]:
                rate, at = account["plan"]
                account["plan"] = None
                account["paid"].append(at // MINUTE)
                self.fund(symbol, rate)
            if account["order"] and row.clock >= account["order"]["end"]:
                self.report(account["order"], "cancelled")
        for order in [order for order in self.sent if order["arrival"] <= row.clock]:
            self.sent.remove(order)
            self.arrive(order)
        symbol = getattr(row.event, "symbol", None)
        if symbol in row.alive:
            self.account(symbol)
            self.market(symbol, row.event)

    def account(self, symbol: str) -> dict[str, Any]:
        fresh = {"size": Fraction(0), "cash": exact(self.terms.cash), "entry": Fraction(0), "opened": 0, "order": None}
        fresh |= {"realized": Fraction(0), "fees": Fraction(0), "funding": Fraction(0), "plan": None, "paid": [-1]}
        return self.accounts.setdefault(symbol, fresh | {"takes": []})

    # --- orders ---

    def order(self, signal: TradingSignal) -> dict[str, Any]:
        terms, spread, mid = self.terms, signal.snapshot.spread_percent, signal.snapshot.price
        away = exact(mid) * exact(spread or 0) / 100 * exact(terms.limit_offset)
        sign = 1 if signal.side == "buy" else -1
        return {
            "id": signal.signal_id,
            "symbol": signal.symbol,
            "sign": sign,
            "market": signal.confidence >= terms.market_confidence
            or signal.urgent
            or spread is None
            or spread < terms.market_spread,
            "exit": signal.kind == "exit",
            "quantity": steps(exact(signal.amount) / exact(mid)),
            "limit": exact(mid) - sign * away,
            "mid": exact(mid),
            "arrival": signal.ts + terms.latency,
            "fills": [],
            "placed": None,
        }

    def arrive(self, order: dict[str, Any]) -> None:
        account, row = self.account(order["symbol"]), self.row
        if account["order"]:
            self.report(account["order"], "cancelled")
        order["arrived"], order["end"] = row.clock, row.clock + self.terms.order_life
        if order["exit"]:
            if account["size"] * order["sign"] >= 0:
                return self.report(order, "rejected")
            order["quantity"] = min(order["quantity"], abs(account["size"]))
        if self.small(order):
            return self.report(order, "rejected")
        account["order"] = order
        if not self.work(order):
            self.report(order, "pending")
        return None

    def small(self, order: dict[str, Any]) -> bool:
        return order["quantity"] < MILLI or (not order["exit"] and order["quantity"] * order["mid"] < 5)

    def work(self, order: dict[str, Any]) -> bool:
        symbol, sign = order["symbol"], order["sign"]
        account = self.accounts[symbol]
        if not self.row.alive.get(symbol) or symbol not in self.row.books:
            return False
        bids, asks = self.row.books[symbol]
        best = min(asks) if sign > 0 else max(bids)
        if not order["market"]:
            # Prices of the random market are whole numbers: the tick is the largest that they all are multiples of.
            tick = max(n for n in range(1, 400) if all(price % n == 0 for price in [*bids, *asks]))
            places = floor if sign > 0 else ceil
            nudge = Fraction(sign, 10**6)
            order["limit"] = Fraction(places(order["limit"] / tick + nudge) * tick)
        if not order["exit"]:
            price = exact(best) if order["market"] else order["limit"]
            wanted = order["quantity"]
            order["quantity"] = min(wanted, self.affordable(account, symbol, sign, price, order["market"]))
            if self.small(order):
                order["quantity"] = wanted
                self.report(order, "rejected")
                return True
        self.report(order, "pending")
        if order["market"]:
            parts = self.take(order, None)
            if parts:
                self.fill(order, parts)
            if self.left(order):
                self.report(order, "cancelled")
        elif (order["limit"] - exact(best)) * sign >= 0:
            self.report(order, "cancelled")
        else:
            order["placed"] = self.index
        return True

    def affordable(self, account: dict, symbol: str, sign: int, price: Fraction, market: bool) -> Fraction:
        fee = max(Fraction(0), exact(self.terms.taker_fee if market else self.terms.maker_fee))
        size, mark = account["size"], exact(self.row.prices[symbol])
        closes = abs(size) if size * sign < 0 else Fraction(0)
        equity = self.wallet(account) + size * (mark - account["entry"])
        free = equity - (abs(size) - closes) * mark - closes * price * fee
        return steps(closes + max(Fraction(0), free) / (price * (1 + fee)))

    def wallet(self, account: dict) -> Fraction:
        return account["cash"] + account["realized"] - account["fees"] - account["funding"]

    def left(self, order: dict) -> Fraction:
        return order["quantity"] - sum(size for size, _, _ in order["fills"])

    def take(self, order: dict, limit: Fraction | None) -> list[tuple[Fraction, Fraction]]:
        """Walk the book, leaving what was taken from each level since it last had another size."""
        symbol, sign, account = order["symbol"], order["sign"], self.accounts[order["symbol"]]
        side = 1 if sign > 0 else 0
        levels = self.row.books[symbol][side]
        parts, left = [], self.left(order)
        for price in sorted(levels, key=lambda price: price * sign):
            if limit is not None and (exact(price) - limit) * sign > 0:
                break
            since = self.index
            while since > 0 and self.same(since - 1, symbol, side, price, levels[price]):
                since -= 1
            gone = sum(
                size for at, way, where, size in account["takes"] if at >= since and (way, where) == (sign, price)
            )
            part = steps(min(left, exact(levels[price]) - gone))
            if part > 0:
                account["takes"].append((self.index, sign, price, part))
                parts.append((part, exact(price)))
                left -= part
        return parts

    def same(self, index: int, symbol: str, side: int, price: float, size: float) -> bool:
        """Whether the level had this size at an earlier row; that the book was away counts at its own events only."""
        row = self.rows[index]
        if symbol not in row.books:
            return getattr(row.event, "symbol", None) != symbol
        return row.books[symbol][side].get(price) == size

    def fill(self, order: dict, parts: list[tuple[Fraction, Fraction]]) -> None:
        account, sign = self.accounts[order["symbol"]], order["sign"]
        size = sum(part for part, _ in parts)
        value = sum(part * price for part, price in parts)
        fee = value * exact(self.terms.taker_fee if order["market"] else self.terms.maker_fee)
        price = value / size
        before = account["size"]
        closed = min(size, abs(before)) if before * sign < 0 else Fraction(0)
        account["realized"] += closed * (price - account["entry"]) * (1 if before > 0 else -1)
        after = account["size"] = before + sign * size
        if after == 0:
            account["entry"], account["opened"] = Fraction(0), 0
        elif before * after <= 0:
            account["entry"], account["opened"] = price, self.row.clock
        elif not closed:
            account["entry"] = (abs(before) * account["entry"] + value) / abs(after)
        account["fees"] += fee
        order["fills"].append((size, value, fee))
        self.report(order, "partially_filled" if self.left(order) else "filled")

    def report(self, order: dict, status: str) -> None:
        account = self.accounts[order["symbol"]]
        if status not in ("pending", "partially_filled") and account["order"] is order:
            account["order"] = None
        size, value, fees = (sum(fill[i] for fill in order["fills"]) for i in range(3))
        limit = None if order["market"] else order["limit"]
        average = value / size if size else None
        self.events.append((self.row.offset, order["id"], status, order["quantity"], limit, size, average, fees))

    # --- the market ---

    def market(self, symbol: str, event: Any) -> None:
        account = self.accounts[symbol]
        if isinstance(event, Trade) and not self.row.repeated and not event.backfilled:
            self.trade(account["order"], event)
        elif isinstance(event, Ticker | Funding | Gap):
            self.funding(symbol, account, event)
        order = account["order"]
        if order is None:
            return
        if order["placed"] is None:
            self.work(order)
        elif symbol in self.row.books:
            parts = self.take(order, order["limit"])
            if parts:
                self.fill(order, [(sum(part for part, _ in parts), order["limit"])])

    def trade(self, order: dict | None, event: Trade) -> None:
        """Fill what the trade leaves after everybody ahead, and remember what it used of them."""
        sign = 1 if event.side == "sell" else -1
        if order is None or order["placed"] is None or order["sign"] != sign or event.recv <= order["arrived"]:
            return
        beyond = (order["limit"] - exact(event.price)) * sign
        ahead = self.ahead(order)
        if beyond < 0 or (beyond == 0 and ahead is None):
            return
        ahead = Fraction(0) if beyond > 0 else ahead
        order.setdefault("used", []).append((self.index, beyond > 0, exact(event.size)))
        size = steps(min(self.left(order), exact(event.size) - ahead))
        if size > 0:
            self.fill(order, [(size, order["limit"])])

    def ahead(self, order: dict) -> Fraction | None:
        """What was displayed at the price when the book first reached it, less what traded there since; nothing at all
        after a trade beyond."""
        used = order.get("used", [])
        if any(beyond for _, beyond, _ in used):
            return Fraction(0)
        for index in range(order["placed"], self.index):
            row = self.rows[index]
            symbol, sign, price = order["symbol"], order["sign"], float(order["limit"])
            looks = index == order["placed"] or getattr(row.event, "symbol", None) == symbol
            if not looks or symbol not in row.books or isinstance(row.event, AccountConfigured):
                continue
            side = row.books[symbol][0 if sign > 0 else 1]
            if price in side or any((price - other) * sign > 0 for other in side):
                return max(Fraction(0), exact(side.get(price, 0.0)) - sum(size for _, _, size in used))
        return None

    # --- funding ---

    def funding(self, symbol: str, account: dict, event: Ticker | Funding | Gap) -> None:
        clock = self.row.clock
        if isinstance(event, Gap):
            if event.channel in ("ticker", "funding"):
                account["plan"] = None
        elif isinstance(event, Funding) and event.settled:
            minute = event.ts // MINUTE
            fresh = clock - 10 * MINUTE < event.ts <= clock + MINUTE and minute > max(account["paid"])
            if fresh and not event.backfilled:
                account["paid"].append(minute)
                if account["plan"] and account["plan"][1] // MINUTE <= minute:
                    account["plan"] = None
                if account["opened"] < event.ts:
                    self.fund(symbol, event.rate)
        else:
            rate, at = (event.funding_rate if isinstance(event, Ticker) else event.rate), event.next_funding
            if rate is None:
                return
            known = at is not None and clock <= at < clock + HOUR and at // MINUTE > max(account["paid"])
            account["plan"] = (rate, at) if known else None

    def fund(self, symbol: str, rate: float) -> None:
        account = self.accounts[symbol]
        account["funding"] += account["size"] * exact(self.row.prices[symbol]) * exact(rate)
