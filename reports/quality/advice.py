"""What to do about the data of a report: each piece of advice names symbol, channel, time and a command."""

from collections.abc import Iterator

from reports.quality.period import written
from reports.quality.report import Report

SECOND = 1_000_000
COMPLETE = 0.999
"""The share of what is expected that should be there."""
REPEATED = 0.01
"""The share of repeated or late messages above which something is set up wrongly."""
LONG_BLIND = 5 * SECOND
"""Microseconds for which a book may be unknown on average when it is lost: a snapshot takes a second or two."""
CHANNELS = {"kline": "candles", "funding": "funding rates"}
"""What the exchange gives again, however old; all else is told once."""


def recommendations(report: Report) -> list[str]:
    """What to do, the gravest first; empty where nothing is wrong."""
    parts = (_uncovered, _missing_candles, _missing_pulse, _lost_books, _gaps, _times, _impossible, _repeated)
    return [text for part in parts for text in part(report)]


def _uncovered(report: Report) -> Iterator[str]:
    if not report.covered:
        yield (
            f"{report.symbol}: nothing is known of these {report.minutes} minutes. If their events are on the log,"
            " run `lockstep run trading` (it counts them) and `lockstep persist` (it stores the counts); if they were"
            f" archived, look with `lockstep archive status`; else fetch what the exchange still has: {_fetch(report)}"
        )
    elif report.uncovered:
        longest = max(report.uncovered, key=lambda span: span.minutes)
        yield (
            f"{report.symbol}: {report.minutes - report.covered} of {report.minutes} minutes were not collected, most"
            f" of them from {written(longest.start)} to {written(longest.end)}. Candles and funding rates of that time"
            f" can be fetched: {_fetch(report, longest.start, longest.end)}; books and trades cannot: leave"
            " it out of datasets"
        )


def _missing_candles(report: Report) -> Iterator[str]:
    kline = report.channels.get("kline")
    if kline and (kline.missing or kline.gaps or report.anomalies.get("candle.impossible")):
        yield (
            f"{report.symbol} kline: {kline.missing} candles came late or never, {kline.gaps} are missing between"
            f" others, {report.anomalies.get('candle.impossible', 0)} are impossible: {_fetch(report)}"
        )


def _missing_pulse(report: Report) -> Iterator[str]:
    for name in ("orderbook", "ticker"):
        channel = report.channels.get(name)
        if channel and channel.expected and channel.missing > (1 - COMPLETE) * channel.expected:
            yield (
                f"{report.symbol} {name}: silent for {channel.missing} of {channel.expected} seconds, at most"
                f" {channel.silence / SECOND:.0f} s at a time. If the market was busy, the subscription or the line"
                " failed: look for connector warnings of `lockstep collect` then, and restart it; a market that is this"
                " quiet is not worth trading by the second"
            )


def _lost_books(report: Report) -> Iterator[str]:
    if not report.desynchronised:
        return
    mean = report.blind / report.desynchronised
    text = (
        f"{report.symbol} orderbook: lost {report.desynchronised} times, unknown for {report.blind / SECOND:.1f} s;"
        " those vectors are tainted and kept from models."
    )
    if mean > LONG_BLIND:
        yield (
            f"{text} A fresh book took {mean / SECOND:.1f} s on average: see that `lockstep collect` runs and obeys,"
            f" and ask for one by hand with `lockstep quality resync {report.symbol}`"
        )
    else:
        yield (
            f"{text} Each was asked for at once and came. See when: {_records(report, 'book.desynchronised')}; if it"
            " goes on, run `lockstep collect` nearer to the exchange"
        )


def _gaps(report: Report) -> Iterator[str]:
    for name, channel in report.channels.items():
        if channel.gaps and name not in ("kline", "orderbook"):
            again = f": {_fetch(report)}" if name in CHANNELS else f". See when: {_records(report, 'gap')}"
            yield f"{report.symbol} {name}: the collector lost messages {channel.gaps} times{again}"


def _times(report: Report) -> Iterator[str]:
    count = report.anomalies.get("clock.skew", 0)
    if not count:
        return
    seconds = report.skew / SECOND
    if report.skew < 0:
        yield (
            f"{report.symbol}: {count} messages were received up to {-seconds:.1f} s before the exchange sent them: the"
            " clock of the collecting machine is slow; set it with `timedatectl set-ntp true` or `chronyc makestep`"
        )
    else:
        yield (
            f"{report.symbol}: {count} messages were up to {seconds:.0f} s old when they came: the collector or its"
            " line stood still; give `lockstep collect` a processor of its own, or fewer symbols"
        )


def _impossible(report: Report) -> Iterator[str]:
    spikes, volumes = (report.anomalies.get(kind, 0) for kind in ("trade.spike", "trade.volume"))
    if spikes or volumes:
        yield (
            f"{report.symbol} trades: {spikes} prices jumped and {volumes} sizes cannot be: look at them"
            f" with `lockstep quality records {report.symbol} {_period(report)}`, and compare the candles of that time"
            f" with the exchange's: {_fetch(report)}"
        )
    broken = sum(report.anomalies.get(kind, 0) for kind in ("book.crossed", "book.empty", "keyframe.mismatch"))
    if broken:
        yield (
            f"{report.symbol} orderbook: crossed, one-sided or unlike its keyframe {broken} times: get a fresh one with"
            f" `lockstep quality resync {report.symbol}`"
        )


def _repeated(report: Report) -> Iterator[str]:
    for name, channel in report.channels.items():
        if channel.duplicates > REPEATED * channel.received:
            yield (
                f"{report.symbol} {name}: {channel.duplicates} of {channel.received} messages came twice (they count"
                " once): see that only one `lockstep collect` writes to this log"
            )
        if channel.late > REPEATED * channel.received:
            yield (
                f"{report.symbol} {name}: {channel.late} of {channel.received} messages came out of order: see that"
                " only one `lockstep collect` writes to this log, over one connection for each channel"
            )


def _fetch(report: Report, start: int | None = None, end: int | None = None) -> str:
    """History is fetched by whole days."""
    first = written(report.period.start if start is None else start)
    last = written((report.period.end if end is None else end) - 1)
    return f"`lockstep backfill fetch {report.symbol} --from {first[:10]} --to {last[:10]}`"


def _records(report: Report, problem: str) -> str:
    return f"`lockstep quality records {report.symbol} {_period(report)} --problem {problem}`"


def _period(report: Report) -> str:
    return _span(report.period.start, report.period.end)


def _span(start: int, end: int) -> str:
    return f"--from {written(start)} --to {written(end)}"
