"""What goes wrong between an exchange's REST interface and whoever asks, as often as one likes."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import msgspec

from connectors.demo.exchange_history.answers import Body, body

_SECOND = 1_000_000


@dataclass(frozen=True)
class RestFaultRates:
    """Probabilities, for each request.

    Instead of an answer: ``limited`` (HTTP 429 that says when to come back), ``visits`` (retCode 10006 with the same),
    ``failed`` (HTTP 500), ``shut_out`` (HTTP 403 that says nothing more), ``truncated`` (JSON that ends in the middle),
    ``cut`` (a connection that breaks in the middle of the body), ``dropped`` (one that breaks at once), ``slow`` (an
    answer after ``slowness`` seconds).

    In the answer, where it lists rows: ``doubled`` (some come twice), ``gaps`` (some are left out), ``shuffled`` (in
    another order), ``lying`` (the ``time`` of the answer is an hour off).
    """

    limited: float = 0.0
    visits: float = 0.0
    failed: float = 0.0
    shut_out: float = 0.0
    truncated: float = 0.0
    cut: float = 0.0
    dropped: float = 0.0
    slow: float = 0.0
    doubled: float = 0.0
    gaps: float = 0.0
    shuffled: float = 0.0
    lying: float = 0.0
    slowness: float = 1.0
    share: float = 0.3
    """Share of the rows that are doubled or left out."""

    def __post_init__(self) -> None:
        for name in (*INSTEAD, *INSIDE, "share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be a probability, not {getattr(self, name)}")


INSTEAD = ("limited", "visits", "failed", "shut_out", "truncated", "cut", "dropped", "slow")
INSIDE = ("doubled", "gaps", "shuffled", "lying")


@dataclass
class Reply:
    """What goes over the wire: after ``delay`` seconds; ``cut`` bytes into the body the connection breaks."""

    data: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None


class RestFaults:
    """Spoils answers; the same seed spoils the same ones. ``injected`` counts what was done.

    ``withheld`` are times (microseconds) of rows that the exchange never gives; ``page`` is the largest page that it
    gives, however many rows are asked for.
    """

    def __init__(
        self,
        rates: RestFaultRates | None = None,
        seed: int = 1,
        withheld: Collection[int] = (),
        page: int | None = None,
        reset: float = 0.0,
    ) -> None:
        self.rates = rates or RestFaultRates()
        self.rng = Random(f"{seed}/rest faults")
        self.withheld = frozenset(withheld)
        self.page = page
        self.reset = reset
        """After how many seconds a limit that was hit is gone."""
        self.injected: Counter[str] = Counter()

    def reply(self, answer: Body, now: int) -> Reply:
        """The answer as it arrives. ``now`` is the exchange's time in microseconds."""
        for name in INSTEAD:
            if self._happens(name):
                return getattr(self, f"_{name}")(answer, now)
        return self._sent(answer)

    def _sent(self, answer: Body) -> Reply:
        answer = self._held_back(answer)
        for name in INSIDE:
            if self._happens(name):
                answer = getattr(self, f"_{name}")(answer)
        return Reply(msgspec.json.encode(answer))

    def _happens(self, name: str) -> bool:
        rate = getattr(self.rates, name)
        happens = rate > 0 and self.rng.random() < rate
        self.injected[name] += happens
        return happens

    def _limits(self, now: int) -> dict[str, str]:
        """The headers of somebody who asked too often."""
        reset = now + int(self.reset * _SECOND)
        return {
            "X-Bapi-Limit": "50",
            "X-Bapi-Limit-Status": "0",
            "X-Bapi-Limit-Reset-Timestamp": str(reset // 1000),
        }

    def _limited(self, answer: Body, now: int) -> Reply:
        return Reply(b'{"retMsg":"too many"}', HTTPStatus.TOO_MANY_REQUESTS, self._limits(now))

    def _visits(self, answer: Body, now: int) -> Reply:
        return Reply(msgspec.json.encode(body({}, now, 10006, "Too many visits!")), headers=self._limits(now))

    def _failed(self, answer: Body, now: int) -> Reply:
        return Reply(b"<html>sorry</html>", HTTPStatus.INTERNAL_SERVER_ERROR)

    def _shut_out(self, answer: Body, now: int) -> Reply:
        return Reply(b"", HTTPStatus.FORBIDDEN)

    def _truncated(self, answer: Body, now: int) -> Reply:
        data = msgspec.json.encode(answer)
        return Reply(data[: self.rng.randrange(1, len(data))])

    def _cut(self, answer: Body, now: int) -> Reply:
        data = msgspec.json.encode(answer)
        return Reply(data, cut=self.rng.randrange(1, len(data)))

    def _dropped(self, answer: Body, now: int) -> Reply:
        return Reply(b"", cut=0)

    def _slow(self, answer: Body, now: int) -> Reply:
        reply = self._sent(answer)
        reply.delay = self.rates.slowness
        return reply

    def _held_back(self, answer: Body) -> Body:
        """Without what the exchange never gives."""
        rows = [row for row in _rows(answer) if _time(row) not in self.withheld]
        return _with_rows(answer, rows[: self.page] if self.page else rows)

    def _doubled(self, answer: Body) -> Body:
        doubled = [row for row in _rows(answer) for _ in range(2 if self.rng.random() < self.rates.share else 1)]
        return _with_rows(answer, doubled)

    def _gaps(self, answer: Body) -> Body:
        return _with_rows(answer, [row for row in _rows(answer) if self.rng.random() >= self.rates.share])

    def _shuffled(self, answer: Body) -> Body:
        rows = list(_rows(answer))
        self.rng.shuffle(rows)
        return _with_rows(answer, rows)

    def _lying(self, answer: Body) -> Body:
        return {**answer, "time": answer["time"] + self.rng.choice((-1, 1)) * 3_600_000}


def _rows(answer: Body) -> list[Any]:
    """The rows that an answer lists by time; instruments and tickers are none."""
    rows = answer["result"].get("list", [])
    return rows if rows and _time(rows[0]) else []


def _with_rows(answer: Body, rows: list[Any]) -> Body:
    """The answer with other rows."""
    return {**answer, "result": {**answer["result"], "list": rows}} if _rows(answer) else answer


def _time(row: Any) -> int:
    """When a row is, microseconds; 0 where it has no time."""
    if isinstance(row, list):
        return int(row[0]) * 1000
    return int(row.get("fundingRateTimestamp") or row.get("time") or 0) * 1000
