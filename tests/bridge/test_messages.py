"""What goes over the wire: signals, vectors and datasets out; positions, balances and orders in."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.peers.times import micros, zulu
from connectors.peers.values import number
from connectors.rabbitmq.balance_message import balance_events
from connectors.rabbitmq.feature_message import dataset_message, feature_message
from connectors.rabbitmq.order_message import order_message
from connectors.rabbitmq.position_message import position_event
from connectors.rabbitmq.signal_message import signal_message
from schemas.account import BalanceEvent, OrderEvent, PositionEvent
from schemas.codec import encode
from tests.bridge.made import SNAPSHOT, TIME, signal, vector

NOW = 1_800_000_000_000_000


@pytest.mark.req("MS-FR-005", "MS-FR-006")
def test_an_entry_is_sent_as_the_contract_has_it():
    """Every field of the contract's own example, the spread in per cent."""
    record = signal(details={"risk_score": 0.3}, requested=400.0)

    message = signal_message(encode(record))

    assert json.loads(message.body) == {
        "signal_id": record.signal_id,
        "signal_type": "buy",
        "asset": "SOLUSDT",
        "amount": 355.5,
        "confidence": 0.82,
        "timestamp": "2025-03-04T09:15:04.250000Z",
        "strategy_id": "swing_a",
        "model_version": "v1741000000",
        "is_warmup": False,
        "market_data_snapshot": {
            "price": 142.2,
            "spread": 0.0035,
            "volume_24h": 918.4,
            "volatility": 0.00041,
            "orderbook_depth": {"bid_depth": 512.0, "ask_depth": 498.5},
            "technical_indicators": {"returns_1m": 0.001, "volume_3s": None},
        },
        "metadata": {
            "reasoning": "model_prediction",
            "model_version": "v1741000000",
            "inference_timestamp": "2025-03-04T09:15:04.250000Z",
            "feature_registry_version": "1.0.0",
            "risk_score": 0.3,
            "original_amount": 400.0,
            "origin": [0, 1, 0],
        },
        "trace_id": record.trace_id,
    }
    assert (message.trace_id, message.made, message.expiration) == (record.trace_id, TIME, None)


@pytest.mark.req("MS-FR-029")
def test_an_exit_names_its_rule_and_asks_for_a_market_order():
    """``urgency`` must be exactly true: the order-manager ignores everything else."""
    record = signal(
        side="sell", kind="exit", urgent=True, rule="stop_loss", reason="stop_loss", model_version=None,
        details={"unrealized_pnl_pct": -2.1},
    )  # fmt: skip

    found = json.loads(signal_message(encode(record)).body)

    assert found["metadata"] == {
        "reasoning": "stop_loss",
        "feature_registry_version": "1.0.0",
        "exit_strategy": True,
        "rule_triggered": "stop_loss",
        "exit_decision_metadata": {"unrealized_pnl_pct": -2.1},
        "urgency": True,
        "origin": [0, 1, 0],
    }
    assert found["model_version"] is None
    assert "urgency" not in json.loads(signal_message(encode(signal())).body)["metadata"]


def test_what_is_not_known_of_the_market_is_left_out():
    """The reader takes a missing spread as 0 and refuses a negative one."""
    from msgspec.structs import replace

    bare = replace(
        SNAPSHOT, spread=None, spread_percent=None, volume_24h=None, volatility=None, bid_depth=None, indicators={}
    )

    found = json.loads(signal_message(encode(signal(snapshot=bare))).body)["market_data_snapshot"]

    assert found == {"price": 142.2, "orderbook_depth": None, "technical_indicators": None}


@pytest.mark.req("MS-FR-016")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"signal_id": "7"}, "no UUID"),
        ({"symbol": "BTCUSDT-SPOT"}, "letters and digits"),
        ({"symbol": "BTC"}, "4 to 20"),
        ({"amount": 0.009}, "below 0.01"),
        ({"confidence": 1.01}, "not between 0 and 1"),
        ({"strategy": " "}, "blank"),
    ],
)
def test_what_the_order_manager_would_drop_silently_is_refused_here(changes, problem):
    """It rejects such messages with a log line of its own and nothing else."""
    with pytest.raises(ValueError, match=problem):
        signal_message(encode(signal(**changes)))


def test_an_unknown_feature_is_absent_never_null():
    """The reader refuses a message that holds anything but numbers."""
    message = feature_message(encode(vector()), 60.0)

    found = json.loads(message.body)
    assert found["features"] == {"mid_price": 142.1775, "spread_abs": 0.005}
    assert (found["timestamp"], found["symbol"]) == ("2025-03-04T09:15:04.250000Z", "SOLUSDT")
    assert found["feature_registry_version"] == "1.0.0" and message.expiration == 60.0
    assert feature_message(encode(vector(tainted=True)), 60.0) is None


def test_a_dataset_is_announced_in_both_shapes():
    """What is read today, and what the specification asks for, in one object."""
    message = dataset_message(
        "3f0c3b62-5a1e-4f0a-8f5c-2f9d7b1a6c55", "SOLUSDT", {"train": 3, "validation": 2, "test": 1}, {"train": {}},
        {"train": "/dataset/x/download/train"}, TIME,
    )  # fmt: skip

    assert json.loads(message.body) == {
        "dataset_id": "3f0c3b62-5a1e-4f0a-8f5c-2f9d7b1a6c55",
        "symbol": "SOLUSDT",
        "status": "ready",
        "train_records": 3,
        "validation_records": 2,
        "test_records": 1,
        "splits_info": {"train": {}},
        "download_urls": {"train": "/dataset/x/download/train"},
        "trace_id": None,
    }


POSITION = {
    "event_type": "position_updated", "position_id": "1c0e", "asset": "SOLUSDT", "size": "2.50000000",
    "unrealized_pnl": "0E-8", "realized_pnl": "-1.5E+1", "mode": "one-way", "unrealized_pnl_pct": "0E+8",
    "time_held_minutes": -1, "position_size_norm": None, "update_source": "order_execution", "trace_id": None,
    "timestamp": "2025-03-04T09:15:07.903311+00:00",
}  # fmt: skip


@pytest.mark.req("MS-FR-032")
def test_a_position_is_read_with_exponents_and_negative_times():
    """Zeros come as 0E-8, and the time held may be -1."""
    assert position_event(json.dumps(POSITION).encode(), NOW, "from-header") == PositionEvent(
        "SOLUSDT", 1_741_079_707_903_311, NOW, 2.5, realized_pnl=-15.0, unrealized_pnl=0.0, trace_id="from-header",
        source="position-manager.position_updated",
    )  # fmt: skip
    assert position_event(json.dumps(POSITION | {"size": "0E-8"}).encode(), NOW).size == 0.0


@pytest.mark.req("MS-EC-12")
@pytest.mark.parametrize("missing", ["asset", "size"])
def test_a_position_without_asset_or_size_is_refused(missing):
    """Such a message says nothing."""
    import msgspec

    body = {name: value for name, value in POSITION.items() if name != missing}
    with pytest.raises(msgspec.ValidationError, match=missing):
        position_event(json.dumps(body).encode(), NOW)


@pytest.mark.parametrize(
    "changes", [{"size": "NaN"}, {"size": None}, {"size": True}, {"asset": "?"}, {"mode": "hedge"}]
)
def test_a_position_that_makes_no_sense_is_refused(changes):
    """Also the hedge mode, whose sizes mean something else."""
    with pytest.raises(ValueError):
        position_event(json.dumps(POSITION | changes).encode(), NOW)


def test_a_wallet_gives_an_event_for_each_coin():
    """Where the exchange leaves out what is available, it is what is not locked."""
    coins = [
        {"coin": "USDT", "walletBalance": "1000.5", "availableToWithdraw": "900", "locked": "1"},
        {"coin": "SOL", "walletBalance": "3", "availableToWithdraw": "", "locked": "0.5"},
    ]
    body = {
        "event_id": "x", "event_type": "balance", "topic": "wallet", "timestamp": "2025-03-04T09:15:02.417000",
        "payload": {"data": [{"accountType": "UNIFIED", "coin": coins}], "topic": "wallet"}, "trace_id": "t-1",
    }  # fmt: skip
    ts = 1_741_079_702_417_000

    assert balance_events(json.dumps(body).encode(), NOW) == [
        BalanceEvent("USDT", ts, NOW, 900.0, 1000.5, trace_id="t-1", source="ws-gateway.balance"),
        BalanceEvent("SOL", ts, NOW, 2.5, 3.0, trace_id="t-1", source="ws-gateway.balance"),
    ]


ORDER = {
    "event_id": "4f0e", "event_type": "filled", "timestamp": "2025-03-04T09:15:07.882140", "trace_id": "a1b2",
    "order": {"id": "6e4b", "order_id": "b7c1e0aa", "signal_id": "8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11",
              "asset": "SOLUSDT", "side": "SELL", "order_type": "Limit", "quantity": "2.50000000",
              "price": "142.18000000", "status": "filled", "filled_quantity": "2.50000000",
              "average_price": "142.19000000", "fees": "0.19550000", "created_at": "2025-03-04T09:15:04.902113",
              "updated_at": "2025-03-04T09:15:07.870001", "executed_at": "2025-03-04T09:15:07.869540",
              "is_dry_run": False},
    "execution_details": {"execution_latency_seconds": 2.9, "fill_percentage": 100.0, "remaining_quantity": "0E-8"},
}  # fmt: skip


@pytest.mark.req("MS-FR-025")
def test_a_nested_order_event_is_read():
    """The format that the order-manager sends."""
    assert order_message(json.dumps(ORDER).encode(), NOW) == OrderEvent(
        "SOLUSDT", micros("2025-03-04T09:15:07.869540"), NOW, "b7c1e0aa", "sell", "limit", 2.5, "filled", filled=2.5,
        price=142.18, average_price=142.19, fees=0.1955, signal_id="8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11",
        trace_id="a1b2", source="order-manager.order_events",
    )  # fmt: skip


def test_a_flat_execution_is_read():
    """The format that was meant, and that nobody sends today."""
    body = {
        "order_id": "b7", "signal_id": "8d5f", "strategy_id": "swing_a", "asset": "SOLUSDT", "side": "buy",
        "execution_price": "142.2", "execution_quantity": 2, "execution_fees": "0.1",
        "executed_at": "2025-03-04T09:15:07Z", "performance": {},
    }  # fmt: skip

    assert order_message(json.dumps(body).encode(), NOW, "t") == OrderEvent(
        "SOLUSDT", 1_741_079_707_000_000, NOW, "b7", "buy", "market", 2.0, "filled", filled=2.0, average_price=142.2,
        fees=0.1, signal_id="8d5f", strategy="swing_a", trace_id="t", source="order-manager.order_events",
    )  # fmt: skip


@pytest.mark.req("MS-EC-03", "MS-FR-025")
@pytest.mark.parametrize(
    "changes",
    [{"order_id": None, "side": "hold"}, {"status": "lost"}, {"quantity": "-"}, {"average_price": None, "price": None}],
)
def test_an_order_that_makes_no_sense_is_refused(changes):
    """Also one that was filled at an unknown price."""
    with pytest.raises(ValueError):
        order_message(json.dumps(ORDER | {"order": ORDER["order"] | changes}).encode(), NOW)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17))
def test_every_decimal_text_is_read_as_python_reads_it(value: Decimal):
    """Whatever way it is written."""
    for text in (str(value), format(value, "f"), format(value, "E")):
        assert math.isclose(number(text, "x"), float(Decimal(text)), abs_tol=1e-300)


@given(st.integers(1, 4_102_444_799_999_999))
def test_times_come_back_as_they_were(time: int):
    """With Z, with an offset, or with nothing."""
    text = zulu(time)
    assert micros(text) == micros(text[:-1]) == micros(text[:-1] + "+00:00") == time
