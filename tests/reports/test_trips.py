"""Round trips: by hand, and against a queue of single units."""

from collections import deque

import pytest
from hypothesis import given

from reports.trips import round_trips
from tests.reports.made import SECOND, START, Fill, executed, fill_lists


def test_a_long_from_flat_to_flat():
    fills = [Fill(1, "buy", 2.0, 100.0, 0.5, signal="in"), Fill(61, "sell", 2.0, 110.0, 0.7, signal="out", kind="exit")]

    (trip,) = round_trips(executed(fills), {"out": "take_profit"})

    assert (trip.side, trip.size, trip.entry, trip.exit) == ("long", 2.0, 100.0, 110.0)
    assert (trip.gross, trip.fees, trip.net) == (20.0, 1.2, 18.8)
    assert (trip.opened, trip.closed, trip.held) == (START + SECOND, START + 61 * SECOND, 60.0)
    assert (trip.rule, trip.entry_signal, trip.exit_signal) == ("take_profit", "in", "out")
    assert trip.percent == pytest.approx(9.4)


def test_a_short_that_is_closed_in_parts():
    fills = [Fill(1, "sell", 3.0, 100.0), Fill(2, "buy", 1.0, 90.0), Fill(3, "buy", 2.0, 105.0)]

    (trip,) = round_trips(executed(fills))

    assert (trip.side, trip.size, trip.executions) == ("short", 3.0, 3)
    assert trip.gross == pytest.approx(10 - 10)
    assert trip.exit == pytest.approx(100.0)


def test_an_execution_that_turns_a_position_over_ends_one_trip_and_begins_another():
    """Its fee and slippage are split by size."""
    fills = [Fill(1, "buy", 1.0, 100.0), Fill(2, "sell", 4.0, 110.0, 4.0, signal_price=112.0)]

    first, second = round_trips(executed(fills))

    assert (first.side, first.gross, first.fees, first.slippage, first.rule) == ("long", 10.0, 1.0, 2.0, "no signal")
    assert (second.side, second.size, second.fees, second.slippage, second.closed) == ("short", 3.0, 3.0, 6.0, None)


def test_slippage_is_what_the_execution_cost_more_than_the_mid_of_its_signal():
    fills = [Fill(1, "buy", 2.0, 101.0, signal_price=100.0), Fill(2, "sell", 2.0, 103.0, signal_price=102.5)]

    (trip,) = round_trips(executed(fills))

    assert trip.slippage == 2.0 * 1.0 - 2.0 * 0.5


def test_a_position_from_before_the_first_execution_is_marked():
    """Its entry follows from the profit."""
    executions = executed([Fill(1, "buy", 2.0, 100.0), Fill(5, "sell", 2.0, 110.0)])[1:]

    (trip,) = round_trips(executions)

    assert (trip.side, trip.carried, trip.size, trip.entry, trip.gross) == ("long", True, 2.0, 100.0, 20.0)


def test_strategies_and_symbols_do_not_share_trips():
    fills = [
        Fill(1, "buy", 1.0, 100.0, strategy="calm"),
        Fill(2, "sell", 1.0, 101.0, strategy="bold"),
        Fill(3, "sell", 1.0, 102.0, strategy="calm", symbol="ETHUSDT"),
    ]

    assert [(trip.strategy, trip.symbol, trip.closed) for trip in round_trips(executed(fills))] == [
        ("calm", "BTCUSDT", None),
        ("bold", "BTCUSDT", None),
        ("calm", "ETHUSDT", None),
    ]


@given(fill_lists())
def test_trips_agree_with_counting_units(fills):
    """Every trip's times, side and size by moving the position one eighth at a time; money over all trips adds up."""
    executions = executed(fills)

    trips = round_trips(executions)

    assert sorted((t.strategy, t.symbol, t.side, t.opened, t.closed or 0, t.size) for t in trips) == unit_by_unit(fills)
    assert sum(t.gross for t in trips) == pytest.approx(sum(one.realized for one in executions), abs=1e-6)
    assert sum(t.fees for t in trips) == pytest.approx(sum(one.fee for one in executions), abs=1e-6)
    closed = [trip for trip in trips if trip.closed]
    for trip in closed:
        sign = 1 if trip.side == "long" else -1
        assert trip.gross == pytest.approx(sign * trip.size * (trip.exit - trip.entry), abs=1e-6)


def unit_by_unit(fills):
    """The oracle: a queue of eighths; a trip ends when it runs empty."""
    found, held = [], {}
    for fill in fills:
        key = fill.strategy, fill.symbol
        for _ in range(round(fill.size * 8)):
            queue, trip = held.setdefault(key, (deque(), []))
            if queue and queue[0] != fill.side:
                queue.popleft()
                if not queue:
                    found.append((*key, trip[0], trip[1], START + fill.second * SECOND, trip[2] / 8))
                    trip.clear()
                continue
            queue.append(fill.side)
            if not trip:
                trip += ["long" if fill.side == "buy" else "short", START + fill.second * SECOND, 0]
            trip[2] += 1
    found += [(*key, trip[0], trip[1], 0, trip[2] / 8) for key, (queue, trip) in held.items() if queue]
    return sorted(found)
