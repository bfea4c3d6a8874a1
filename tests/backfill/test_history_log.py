"""The history of a log: live order is kept, fetched rows stand where they were known, from wherever it is read."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.history.log import HistoryLog
from connectors.history.spans import HOUR, MINUTE, SECOND, Span
from connectors.log import Log, LogError, OffsetTrimmed, UnknownTopic
from connectors.log.address import address_of, open_address
from schemas.codec import decode_event
from schemas.market import Funding, Gap, Kline, Tick, Trade
from schemas.topics import shard_of
from tests.backfill.candles import BEGIN, SHARDS, SYMBOL, candles, live, make_log, save, settlements, ticks

SHARD = shard_of(SYMBOL, SHARDS)
FAR = 10**6


def read(log: Log, offset: int = 0, limit: int = FAR) -> list[tuple[int, bytes | None]]:
    """Everything from an offset on, so many at once."""
    reader = log.reader("events", SHARD, offset)
    found: list[tuple[int, bytes | None]] = []
    try:
        while batch := reader.poll_raw(limit):
            found += batch
        assert reader.position == log.end("events", SHARD)
        return found
    finally:
        reader.close()


def events_of(log: Log) -> list[object]:
    return [decode_event(value or b"") for _, value in read(log)]


def minutes(*numbers: int) -> list[Kline]:
    every = candles(200)
    return [every[number] for number in numbers]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_it_is_the_live_log_with_each_row_where_it_was_known(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Order, offsets, times, and reading from anywhere in pieces of any size, against brute force."""
    folder = tmp_path_factory.mktemp("history")
    moments = data.draw(st.lists(st.integers(0, 40 * 60 * 10), max_size=60), label="live events, tenths of a second")
    heard = [
        Trade(SYMBOL, at, at, str(number), "buy", 100.0, 1.0)
        for number, at in enumerate(BEGIN + moment * SECOND // 10 for moment in sorted(moments))
    ]
    numbers = data.draw(st.sets(st.integers(0, 39)), label="fetched minutes")
    rows = minutes(*sorted(numbers))
    log = make_log(folder / "log", heard)
    for row in rows:
        save(folder / "archive", [row], "kline", Span(row.start, row.start + MINUTE))

    history = HistoryLog(log, folder / "archive")
    everything = read(history)

    found = [(offset, decode_event(value or b"")) for offset, value in everything]
    ours = [event for _, event in found if not isinstance(event, Tick)]
    assert ours == sorted([*heard, *live(rows)], key=lambda event: (event.recv, isinstance(event, Kline)))
    assert [offset for offset, _ in found] == list(range(len(found)))
    clock = 0
    for _, event in found:
        assert isinstance(event, Tick) or not clock or event.recv <= clock + MINUTE or event in heard
        clock = max(clock, event.recv)
    start = data.draw(st.integers(0, len(found)), label="from")
    assert read(history, start, data.draw(st.integers(1, 7), label="at once")) == everything[start:]
    time = BEGIN + data.draw(st.integers(0, 41 * 60), label="time") * SECOND
    expected = next((offset for offset, event in found if event.recv >= time), len(found))
    assert history.offset_at("events", SHARD, time) == expected
    log.close()


def test_without_fetched_rows_it_is_the_log(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", [*live(minutes(0, 1, 2)), *ticks(BEGIN, BEGIN + 3 * MINUTE)])

    assert read(HistoryLog(log, tmp_path / "archive")) == read(log)


def test_where_nothing_was_heard_ticks_move_the_clock(tmp_path: Path) -> None:
    """One a minute, one behind the last row, and one where the live log goes on."""
    rows = minutes(*range(5))
    resumes = BEGIN + 3 * HOUR
    log = make_log(tmp_path / "log", [*ticks(resumes, resumes + 3 * SECOND)])
    save(tmp_path / "archive", rows, "kline", Span(BEGIN, BEGIN + 5 * MINUTE))

    found = events_of(HistoryLog(log, tmp_path / "archive"))

    clocks = [event.recv for event in found if isinstance(event, Tick)]
    bare = [BEGIN + minute * MINUTE for minute in range(1, 7)]
    assert clocks == [*bare, resumes + SECOND, *range(resumes + SECOND, resumes + 4 * SECOND, SECOND)]
    assert [event for event in found if isinstance(event, Kline)] == live(rows)
    first = next(place for place, event in enumerate(found) if isinstance(event, Kline))
    assert found[first - 1] == Tick(rows[0].recv), "a look-back begins with a tick, and loses no candle"


def test_rows_of_the_same_moment_stand_in_the_order_of_their_types(tmp_path: Path) -> None:
    span = Span(BEGIN + 8 * HOUR, BEGIN + 8 * HOUR + MINUTE)
    [before] = candles(1, begin=BEGIN + 8 * HOUR - MINUTE)
    log = make_log(tmp_path / "log", [])
    save(tmp_path / "archive", [before], "kline", Span(before.start, before.start + MINUTE))
    save(tmp_path / "archive", settlements(span), "funding", span)

    kinds = [type(event) for event in events_of(HistoryLog(log, tmp_path / "archive"))]

    assert kinds == [Tick, Funding, Kline, Tick]


def gap(channel: str, start: int, end: int) -> Gap:
    return Gap(SYMBOL, end, start, channel, "collector restart", start, end)  # type: ignore[arg-type]


def outage(tmp_path: Path, sources: tuple[str, ...] | None, filled: bool) -> set[str]:
    """The gaps that stay of an outage of an hour, of every channel."""
    start, end = BEGIN + HOUR, BEGIN + 2 * HOUR
    gaps = [gap(channel, start, end) for channel in ("orderbook", "trades", "kline", "ticker")]
    rows = candles(180)
    log = make_log(tmp_path / "log", [*live(rows[:60]), *gaps, Tick(end), *live(rows[120:])])
    missing = Span(start, end) if filled else Span(start + MINUTE, end)
    save(tmp_path / "archive", [row for row in rows[60:120] if row.start >= missing.start], "kline", missing)
    save(tmp_path / "archive", settlements(Span(BEGIN, end)), "funding", Span(BEGIN, end))
    found = events_of(HistoryLog(log, tmp_path / "archive", sources=sources))
    return {event.channel for event in found if isinstance(event, Gap)}


def test_gaps_that_were_filled_are_passed_over_and_others_stay(tmp_path: Path) -> None:
    every = {"orderbook", "trades", "kline", "ticker"}

    assert outage(tmp_path / "a", ("kline", "funding"), filled=True) == set()
    assert outage(tmp_path / "b", ("kline", "funding"), filled=False) == every
    assert outage(tmp_path / "c", ("kline", "trades"), filled=True) == {"trades"}
    assert outage(tmp_path / "d", None, filled=True) == every - {"kline"}


def test_it_is_only_read_and_has_one_topic(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", [])
    history = HistoryLog(log, tmp_path / "archive")

    assert [info.name for info in history.topics()] == ["events"]
    with pytest.raises(UnknownTopic, match="read features from the log"):
        history.end("features", 0)
    for change in (
        lambda: history.append("events", 0, []),
        lambda: history.writer("events", 0),
        lambda: history.trim("events", 0, 0),
        lambda: history.create("events", 2),
    ):
        with pytest.raises(LogError, match="only read"):
            change()


def test_what_retention_took_is_an_error_as_in_the_log(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", ticks(BEGIN, BEGIN + MINUTE))
    log.trim("events", SHARD, 10)
    history = HistoryLog(log, tmp_path / "archive")

    assert history.start("events", SHARD) == 10
    with pytest.raises(OffsetTrimmed):
        read(history, 3)


def test_another_process_opens_the_same_history_whatever_is_fetched_meanwhile(tmp_path: Path) -> None:
    rows = minutes(0, 1, 2, 5)
    log = make_log(tmp_path / "log", ticks(BEGIN + 4 * MINUTE, BEGIN + 5 * MINUTE))
    save(tmp_path / "archive", rows[:3], "kline", Span(BEGIN, BEGIN + 3 * MINUTE))
    history = HistoryLog(log, tmp_path / "archive")
    address = address_of(history)
    expected = read(history)
    save(tmp_path / "archive", rows[3:], "kline", Span(BEGIN + 5 * MINUTE, BEGIN + 6 * MINUTE))

    assert address is not None
    again = open_address(address)

    assert read(again) == expected
    assert len(read(HistoryLog(log, tmp_path / "archive"))) > len(expected)
    again.close()
