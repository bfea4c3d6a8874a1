"""Which exchange an installation asks, as its settings say, and the verb that looks whether it answers."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from cli.collect import bybit_feed
from cli.context import Exit, UserError
from cli.exchange import open_market
from cli.main import build
from cli.settings import SettingsError, read_settings
from connectors.demo.exchange_history.server import HistoryServer
from connectors.demo.exchange_history.truth import Generated, true_klines
from tests.exchange.standing import DAY, HOUR, MINUTE, NOW, SYMBOL, generated, run


@pytest.fixture(autouse=True)
def _plain(monkeypatch, tmp_path):
    """A folder without a .env file, and an environment without settings of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("BYBIT_ENVIRONMENT", "BYBIT_REST_URL", "BYBIT_API_KEY", "BYBIT_API_SECRET", "SOURCE", "SYMBOLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path))
    monkeypatch.setenv("FEATURE_SERVICE_BACKFILL_RATE_LIMIT_DELAY_MS", "0")


async def opened(source: str | None = None, *symbols: str):
    async with open_market(read_settings(), source, symbols) as market:
        return str(market.asker.http.base_url), market.asker


@pytest.mark.req("TK-FS-18")
def test_the_demo_has_a_past_without_a_network():
    """The same as any other stand-in tells of it, also for a symbol that is not in the settings."""

    async def scenario():
        async with open_market(read_settings(), "demo", ["ODDUSDT"]) as market:
            return await market.klines("ODDUSDT", NOW - DAY, NOW)

    assert run(scenario()) == true_klines(Generated(["ODDUSDT"], clock=lambda: NOW + DAY), "ODDUSDT", NOW - DAY, NOW)


def test_bybit_is_the_real_one_unless_told_otherwise(monkeypatch):
    assert run(opened("bybit"))[0] == "https://api.bybit.com"
    assert run(opened("ws-gateway"))[0] == "https://api.bybit.com"
    monkeypatch.setenv("BYBIT_ENVIRONMENT", "Testnet")
    assert run(opened("bybit"))[0] == "https://api-testnet.bybit.com"
    assert bybit_feed([SYMBOL]).rest_url == "https://api-testnet.bybit.com"
    assert bybit_feed([SYMBOL]).connections[0].url == "wss://stream-testnet.bybit.com/v5/public/linear"
    monkeypatch.setenv("BYBIT_REST_URL", "http://127.0.0.1:9")
    assert run(opened("bybit"))[0] == run(opened("demo"))[0] == "http://127.0.0.1:9"


def test_requests_are_signed_when_both_keys_are_set(monkeypatch):
    assert run(opened("bybit"))[1].keys is None
    monkeypatch.setenv("BYBIT_API_KEY", "key")
    with pytest.raises(UserError, match="BYBIT_API_KEY is set, BYBIT_API_SECRET is not") as caught:
        run(opened("bybit"))
    assert caught.value.exit_code == Exit.USAGE
    monkeypatch.setenv("BYBIT_API_SECRET", "secret")
    assert run(opened("bybit"))[1].keys is not None
    assert run(opened("demo"))[1].keys is None


def test_the_pause_between_requests_is_the_settings(monkeypatch):
    monkeypatch.setenv("FEATURE_SERVICE_BACKFILL_RATE_LIMIT_DELAY_MS", "250")

    assert run(opened("bybit"))[1].patience.delay == 0.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BYBIT_ENVIRONMENT", "production"),
        ("BYBIT_REST_URL", "api.bybit.com"),
        ("BYBIT_REST_URL", "http://user@host/path"),
        ("FEATURE_SERVICE_BACKFILL_RATE_LIMIT_DELAY_MS", "-1"),
    ],
)
def test_settings_that_cannot_be_used_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"{name} .*cannot be used"):
        read_settings()


def ask(*words: str):
    return CliRunner().invoke(build("exchange"), ["exchange", *words])


def test_the_verb_shows_what_the_exchange_says():
    plain, found = ask("--source", "demo"), json.loads(ask("--source", "demo", "--json").stdout)

    assert plain.exit_code == 0 and "its clock is" in plain.stdout and "BTCUSDT" in plain.stdout
    assert abs(found["clock_ahead_ms"]) < 1_000
    assert [row["symbol"] for row in found["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert found["symbols"][0] | {"newest_candle": "", "close": 0} == {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "listed": "2020-01-01",
        "tick": 0.1,
        "lot": 0.001,
        "funding_hours": 8.0,
        "newest_candle": "",
        "close": 0,
    }


def test_the_verb_says_what_is_wrong(monkeypatch):
    """A symbol that is not listed, and a clock that is an hour off."""

    async def scenario() -> list:
        async with HistoryServer(generated(NOW + HOUR)) as server:
            monkeypatch.setenv("BYBIT_REST_URL", server.rest_url)
            return [await asyncio.to_thread(ask, *words) for words in (("--symbols", "NONEUSDT"), ("--json",))]

    refused, told = run(scenario())

    assert isinstance(refused.exception, UserError) and refused.exception.exit_code == Exit.UNAVAILABLE
    assert "NONEUSDT" in refused.exception.message and "Symbol Invalid" in refused.exception.message
    assert json.loads(told.stdout)["clock_ahead_ms"] < -MINUTE / 1000
