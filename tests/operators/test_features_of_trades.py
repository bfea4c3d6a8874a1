"""Every tape feature against brute force, second by second, on a recorded market."""

import gzip
import json
from bisect import bisect_right

import pytest

from operators.features import FEATURES, View
from operators.spans import SECOND
from operators.tape import Tape
from tests.operators.oracle_trades import close, tape_features

T = 1_700_000_000 * SECOND


@pytest.fixture(scope="module")
def recording(shared_data):
    """(receive time, stream, data) of every trade and quote of eleven minutes, across midnight UTC."""
    rows = []
    for day in ("08", "09"):
        with gzip.open(shared_data / "l2/binance_raw" / f"spot_btcusdt_202408{day}.gz", "rt") as lines:
            for line in lines:
                if "@trade" in line or "@bookTicker" in line:
                    time, frame = line.split(" ", 1)
                    message = json.loads(frame)
                    rows.append((int(time) // 1_000, message["stream"].split("@")[1], message["data"]))
    return rows


@pytest.mark.req("FS-FR-003.2", "FS-FR-003.3", "FS-FR-008")
def test_every_tape_feature_equals_brute_force_on_a_recorded_market(recording):
    """At each of its 650 seconds; the clock is the running maximum of the receive times."""
    tape, trades, mid, bids, asks = Tape(), [], None, None, None
    clock = recording[0][0]
    begun, t, seconds = clock, -(-clock // SECOND) * SECOND, 0
    for recv, stream, data in recording:
        clock = max(clock, recv)
        while t < clock:
            recent = trades[bisect_right(trades, t - 61 * SECOND, key=lambda trade: trade[0]) :]
            view = View(t, bids, asks, tape=tape, covered={"trades": begun})
            for name, wanted in tape_features(recent, mid, t).items():
                got = FEATURES[name](view)
                if t - FEATURES[name].window < begun:
                    assert got is None
                else:
                    assert close(got, wanted, floor=1e-11), (t, name, got, wanted)
            t, seconds = t + SECOND, seconds + 1
        if stream == "trade":
            side = "sell" if data["m"] else "buy"
            trades.append((clock, side, float(data["p"]), float(data["q"])))
            tape.add(*trades[-1])
        else:
            bids, asks = [(float(data["b"]), float(data["B"]))], [(float(data["a"]), float(data["A"]))]
            mid = (bids[0][0] + asks[0][0]) / 2

    assert seconds > 640
    assert len(trades) == 19_904


@pytest.mark.req("FS-FR-003.3")
def test_a_silent_window_is_zero_where_the_contract_says_so():
    """Covered, but nothing traded."""
    view = View(T, [(1.0, 1.0)], [(2.0, 1.0)], covered={"trades": T - 60 * SECOND})
    zero = ("volume_3s", "volume_15s", "volume_1m", "signed_volume_3s", "signed_volume_15s", "signed_volume_1m")
    absent = ("vwap_3s", "vwap_15s", "vwap_1m", "returns_1s", "returns_3s", "returns_1m", "volatility_1m")

    assert [FEATURES[name](view) for name in zero] == [0.0] * 6
    assert [FEATURES[name](view) for name in absent] == [None] * 7
    assert FEATURES["buy_sell_volume_ratio"](view) == 1.0
    assert FEATURES["net_aggressor_pressure"](view) == 0.0
    assert FEATURES["trade_count_3s"](view) == 0.0


def test_only_buys_make_an_infinite_ratio_which_is_absent():
    """Only sells make it zero."""
    ratios = []
    for side in ("buy", "sell"):
        tape = Tape()
        tape.add(T, side, 1.0, 1.0)
        ratios.append(FEATURES["buy_sell_volume_ratio"](View(T, tape=tape, covered={"trades": 0})))

    assert ratios == [None, 0.0]


def test_volumes_fall_to_zero_after_a_silence():
    """The window ends at the vector's time, not at the last trade."""
    tape = Tape()
    tape.add(T, "buy", 1.0, 1.0)

    seen = [FEATURES["volume_3s"](View(T + k * SECOND, tape=tape, covered={"trades": 0})) for k in range(5)]

    assert seen == [1.0, 1.0, 1.0, 0.0, 0.0]
