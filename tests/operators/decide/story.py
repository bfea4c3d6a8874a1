"""What the scenarios of entries are told with: a model that answers as it is told, a chain that ran."""

from operators.decide import Forecast
from schemas.model import ModelActivated
from tests.operators.decide.chain import (
    SECOND,
    START,
    Chain,
    at,
    configured,
    seconds_of_market,
)


class Says:
    """A model that always gives the same answer, or one per second from ``answers``."""

    def __init__(self, *answers):
        self.answers = answers
        self.asked = []

    def predict(self, strategy, symbol, version, vector):
        self.asked.append((strategy, symbol, version))
        return self.answers[(vector.ts - START) // SECOND % len(self.answers)]

    def problem(self, strategy, symbol, version):
        return ""


def buys(confidence):
    return Forecast("buy", confidence, {"buy_probability": confidence}, ("mid_price",))


def ran(*settings, events=(), seconds=10, predictor=None, symbols=("BTCUSDT",)):
    """A chain that ran for some seconds of a quiet market, ``events`` first."""
    chain = Chain(predictor)
    chain.feed(*map(configured, settings), *events)
    markets = [seconds_of_market(seconds, symbol=symbol) for symbol in symbols]
    chain.feed(*sorted((event for market in markets for event in market), key=lambda event: event.recv))
    return chain


def activated(version="v7", name="s", symbol=None, second=0):
    return ModelActivated(at(second), name, version, symbol)
