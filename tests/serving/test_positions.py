"""GET /api/v1/positions and /api/v1/strategies: what is held and in force now, from the log."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.log import NewRecord
from connectors.postgres.migrate import Migrator
from schemas.account import AccountConfigured, BalanceEvent
from schemas.codec import encode
from schemas.model import ModelActivated
from schemas.origin import Origin
from schemas.strategy import Strategy, StrategyConfigured, Warmup
from serving.times import iso
from tests.persist.written import SECOND, START, execution, position, write, write_events
from tests.serving.conftest import Market, eventually
from tests.serving.trading import got, serving, stored

PATH = "/api/v1/positions"


def balance(ts: int, origin: Origin | None = None, **changes: Any) -> BalanceEvent:
    fields: dict[str, Any] = {"coin": "USDT", "ts": ts, "recv": ts, "available": 90.0, "wallet": 100.0}
    return BalanceEvent(**fields | changes, origin=origin)


def put(market: Market, shard: int, *records: Any) -> None:
    market.log.append("account", shard, [NewRecord(b"X", encode(one), one.ts) for one in records])


def test_nothing_is_held_before_anything_was_traded(market: Market, tmp_path: Path) -> None:
    with serving(tmp_path, None) as api:
        assert eventually(lambda: api.view.ready)
        empty = {"account": None, "holdings": [], "positions": [], "balances": [], "complete": True}
        assert got(api, PATH) == empty


def test_holdings_are_the_sum_of_a_strategys_executions(market: Market, tmp_path: Path) -> None:
    """Sizes, fees and profits added up by hand, in eighths, which are exact; orders of nobody's signal are left out."""
    random, sizes, fees, realized = Random(7), {}, {}, {}
    done = []
    for offset in range(200):
        shard, strategy, side = offset % 2, random.choice(["alpha", "beta", ""]), random.choice(["buy", "sell"])
        size, fee = random.randint(1, 9) / 8, random.randint(0, 4) / 8
        one = execution(
            Origin(shard, offset, 0), START + offset, strategy=strategy, side=side, size=size, price=100.0, fee=fee
        )
        done.append(one)
        key = strategy, one.symbol
        sizes[key] = sizes.get(key, 0) + (size if side == "buy" else -size)
        fees[key] = fees.get(key, 0) + fee
        realized[key] = 0.0  # everything at one price
    write(market.log, done)
    with serving(tmp_path, None) as api:
        keys = sorted(key for key in sizes if key[0])
        wanted = [(*key, sizes[key], fees[key], realized[key]) for key in keys]

        def held(**query: str) -> list[tuple[Any, ...]]:
            rows = got(api, PATH, **query)["holdings"]
            return [(row["strategy_id"], row["asset"], row["size"], row["fees"], row["realized_pnl"]) for row in rows]

        assert eventually(lambda: held() == wanted)
        assert held(strategy_id="beta") == [row for row in wanted if row[0] == "beta"]
        assert held(asset="ethusdt") == [row for row in wanted if row[1] == "ETHUSDT"]


def test_a_holding_has_its_entry_while_it_is_open_and_its_profit_after(market: Market, tmp_path: Path) -> None:
    with serving(tmp_path, None) as api:
        write(market.log, [execution(Origin(0, 1, 0), START, size=2.0, price=100.0, fee=0.5)])
        assert eventually(lambda: got(api, PATH)["holdings"])
        assert got(api, PATH)["holdings"] == [
            {
                "strategy_id": "alpha", "asset": "BTCUSDT", "size": 2.0, "entry_price": 100.0,
                "opened_at": iso(START), "realized_pnl": 0.0, "fees": 0.5,
            }
        ]  # fmt: skip
        write(market.log, [execution(Origin(0, 2, 0), START + 9, side="sell", size=2.0, price=110.0, fee=0.5)])
        assert eventually(lambda: got(api, PATH)["holdings"][0]["size"] == 0)
        closed = got(api, PATH)["holdings"][0]

    assert (closed["entry_price"], closed["opened_at"]) == (None, None)
    assert (closed["realized_pnl"], closed["fees"]) == (20.0, 1.0)


def test_on_paper_the_papers_account_counts_and_live_the_bridges(market: Market, tmp_path: Path) -> None:
    """The newest of each; flat positions are left out."""
    paper, live = AccountConfigured(START, "paper"), AccountConfigured(START, "live")
    with serving(tmp_path, None) as api:
        assert eventually(lambda: api.view.ready)
        write_events(market.log, 0, [paper])
        assert eventually(lambda: got(api, PATH)["account"] == "paper")
        at = [Origin(0, offset, 0) for offset in range(6)]
        ours = [
            position(1.0, origin=at[0], source="paper"),
            position(2.0, START + 1, origin=at[1], unrealized_pnl=4.0, source="paper"),
            position(0.0, symbol="XRPUSDT", origin=at[2], source="paper"),
            balance(START, at[3], symbol="BTCUSDT", source="paper"),
        ]
        put(market, 0, *ours)
        write_events(market.log, 0, [position(9.0, source="order-manager"), balance(START + 5, source="ws-gateway")])
        assert eventually(lambda: got(api, PATH)["positions"] and got(api, PATH)["balances"])
        found = got(api, PATH)
        assert [(one["asset"], one["size"], one["unrealized_pnl"], one["source"]) for one in found["positions"]] == [
            ("BTCUSDT", 2.0, 4.0, "paper")
        ]
        assert [(one["coin"], one["asset"], one["available"]) for one in found["balances"]] == [
            ("USDT", "BTCUSDT", 90.0)
        ]

        write_events(market.log, 0, [live, position(9.0, source="order-manager"), balance(START + 6, available=1.0)])
        write_events(market.log, 1, [live, balance(START + 7, available=2.0)])
        assert eventually(lambda: [one["available"] for one in got(api, PATH)["balances"]] == [2.0])
        found = got(api, PATH)

    assert found["account"] == "live"
    assert [(one["asset"], one["size"], one["source"]) for one in found["positions"]] == [
        ("BTCUSDT", 9.0, "order-manager")
    ]
    assert [one["asset"] for one in found["balances"]] == [None]


def test_holdings_that_lack_trimmed_executions_say_so(market: Market, tmp_path: Path) -> None:
    write(market.log, [execution(Origin(0, offset, 0), START, size=1.0) for offset in range(4)])
    market.log.trim("account", 0, 2)
    with serving(tmp_path, None) as api:
        assert eventually(lambda: got(api, PATH)["holdings"] and got(api, PATH)["holdings"][0]["size"] == 2.0)
        assert got(api, PATH)["complete"] is False


def test_strategies_are_shown_as_they_are_in_force_with_every_setting(
    market: Market, database_url: str, tmp_path: Path
) -> None:
    """From the log; long ago, from the database; without either, 503."""
    Migrator(database_url).up()
    path = "/api/v1/strategies"
    old = StrategyConfigured(START, Strategy("old", ("BTCUSDT",), about="from long ago"), by="someone")
    first = StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",)), by="me")
    second = StrategyConfigured(
        START + 9 * SECOND, Strategy("alpha", ("BTCUSDT", "ETHUSDT"), mode="warmup", warmup=Warmup(frequency=6.0))
    )
    for shard in range(2):
        write_events(market.log, shard, [old, first])
    stored(market.log, database_url)
    for shard in range(2):
        market.log.trim("events", shard, 2)
    with serving(tmp_path, database_url) as api:
        assert eventually(lambda: api.view.ready)
        found = got(api, path)["strategies"]
        assert [(one["strategy_id"], one["mode"], one["since"]) for one in found] == [
            ("alpha", "auto", iso(START)), ("old", "auto", iso(START))
        ]  # fmt: skip
        for shard in range(2):
            write_events(market.log, shard, [second, ModelActivated(START, "alpha", "v3", symbol="ETHUSDT")])
        assert eventually(lambda: got(api, path)["strategies"][0]["models"])
        alpha, other = got(api, path)["strategies"]

    assert other["settings"]["about"] == "from long ago"
    assert (alpha["mode"], alpha["symbols"], alpha["enabled"]) == ("warmup", ["BTCUSDT", "ETHUSDT"], True)
    assert (alpha["since"], alpha["models"]) == (iso(START + 9 * SECOND), {"ETHUSDT": "v3"})
    assert alpha["settings"]["warmup"]["frequency"] == 6.0
    assert alpha["settings"]["exits"]["take_profit"] == {
        "enabled": True,
        "percent": 3.0,
        "absolute": None,
        "partial": None,
    }


@pytest.mark.req("MS-SC-008")
def test_without_a_database_what_the_log_said_since_is_shown(market: Market, tmp_path: Path) -> None:
    with serving(tmp_path, None) as api:
        assert api.get("/api/v1/strategies").status_code == 503
        write_events(market.log, 1, [StrategyConfigured(START, Strategy("alpha", ("BTCUSDT",)))])
        assert eventually(lambda: api.get("/api/v1/strategies").status_code == 200)
        assert [one["strategy_id"] for one in got(api, "/api/v1/strategies")["strategies"]] == ["alpha"]
