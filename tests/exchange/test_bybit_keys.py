"""Signing, against vectors made by another program, and what never shows."""

import hashlib
import hmac
import shutil
import subprocess
from urllib.parse import urlsplit

import httpx
import pytest

from connectors.bybit.keys import Keys
from connectors.bybit.market import BybitMarket
from tests.exchange.standing import DAY, NOW, SYMBOL, Naps, run
from tests.exchange.test_bybit_patience import said

KEYS = Keys("XXXXXXXXXX", "s3cret-0123456789")
QUERY = "category=option&symbol=BTC-29JUL22-25000-C"


def test_the_signature_is_that_of_an_independent_program():
    """``printf %s 1658384314791XXXXXXXXXX5000<query> | openssl dgst -sha256 -hmac s3cret-0123456789``: the example of
    Bybit's guide with a secret of ours."""
    headers = KEYS.headers(QUERY, 1_658_384_314_791)

    assert headers == {
        "X-BAPI-API-KEY": "XXXXXXXXXX",
        "X-BAPI-TIMESTAMP": "1658384314791",
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": "ed36b4ffb57002b23daf3cfb33c119705bf6dddde7c624a722a00ab97613e8d1",
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_agrees():
    text = f"1658384314791XXXXXXXXXX5000{QUERY}".encode()
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", KEYS.secret], input=text, capture_output=True, check=True
    )

    assert KEYS.headers(QUERY, 1_658_384_314_791)["X-BAPI-SIGN"] == done.stdout.decode().split()[-1]


def _requests(keys: Keys | None, clock=lambda: NOW, answers=()) -> list[httpx.Request]:
    seen: list[httpx.Request] = []

    def meet(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1] if answers else said()

    async def scenario():
        settings = {"keys": keys, "sleep": Naps(), "clock": clock, "transport": httpx.MockTransport(meet)}
        async with BybitMarket("http://bybit.invalid", **settings) as market:
            await market.time()
            await market.recent_trades(SYMBOL)

    try:
        run(scenario())
    except Exception:
        assert answers
    return seen


TRADES = said(result={"category": "linear", "list": []})


def test_what_is_signed_is_what_is_sent():
    """The query string, to the byte, and the time of the exchange, not ours, which is a day off."""
    sent = _requests(KEYS, clock=lambda: NOW + DAY, answers=(said(), TRADES))[-1]
    stamp = sent.headers["X-BAPI-TIMESTAMP"]
    text = stamp + KEYS.key + "5000" + urlsplit(str(sent.url)).query

    assert sent.headers["X-BAPI-SIGN"] == hmac.new(KEYS.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert abs(int(stamp) - NOW // 1000) <= 1
    assert "symbol=BTCUSDT" in text


def test_nothing_is_signed_without_keys():
    assert not any(
        name.startswith("x-bapi") for sent in _requests(None, answers=(said(), TRADES)) for name in sent.headers
    )


def test_a_wrong_time_is_measured_anew_and_signed_again():
    """retCode 10002: the answer says what time it is."""
    wrong = said(10002, message="invalid request, please check your server timestamp")
    first, second, *_ = _requests(KEYS, clock=lambda: NOW - DAY, answers=(wrong, said(), TRADES))

    assert int(first.headers["X-BAPI-TIMESTAMP"]) == (NOW - DAY) // 1000
    assert abs(int(second.headers["X-BAPI-TIMESTAMP"]) - NOW // 1000) <= 1


def test_keys_come_from_the_environment_both_or_none():
    both = {"BYBIT_API_KEY": " XXXXXXXXXX ", "BYBIT_API_SECRET": "s3cret-0123456789"}

    assert Keys.from_environment(both) == KEYS
    assert Keys.from_environment({}) is None
    assert Keys.from_environment({"BYBIT_API_KEY": "  "}) is None
    for alone, other in (("BYBIT_API_KEY", "BYBIT_API_SECRET"), ("BYBIT_API_SECRET", "BYBIT_API_KEY")):
        with pytest.raises(ValueError, match=f"{alone} is set, {other} is not"):
            Keys.from_environment({alone: "x"})
    with pytest.raises(ValueError, match="BYBIT_API_KEY holds characters"):
        Keys.from_environment({"BYBIT_API_KEY": "a\r\nb", "BYBIT_API_SECRET": "x"})


def test_neither_key_nor_secret_shows(lines):
    """Not in a line, not in an error, not when printed."""
    shown = []
    for answers in ((said(10003, message="API key is invalid."),), (said(status=500),), (httpx.ConnectError("no"),)):

        def meet(request, answers=answers):
            if isinstance(answers[0], Exception):
                raise answers[0]
            return answers[0]

        async def scenario(meet=meet):
            transport = httpx.MockTransport(meet)
            async with BybitMarket("http://bybit.invalid", keys=KEYS, sleep=Naps(), transport=transport) as market:
                await market.ticker(SYMBOL)

        with pytest.raises(Exception, match="Bybit") as caught:
            run(scenario())
        shown.append(str(caught.value))
    shown += [repr(KEYS), str(KEYS), repr(lines)]

    assert len(lines) > 0
    assert not any(KEYS.key in text or KEYS.secret in text for text in shown)
