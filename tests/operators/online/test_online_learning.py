"""The River models of a strategy: what they say, learn and score, against the same pipeline used directly."""

from collections import deque
from typing import NamedTuple

import pytest
from river import metrics, utils
from sklearn.metrics import log_loss

from operators.online.learner import LESSONS
from operators.online.pipelines import MODELS, pipeline
from schemas.codec import decode_event, decode_vector
from schemas.learning import Online
from schemas.market import Gap, Kline, Trade
from tests.operators.online.made import SECOND, SYMBOLS, TARGET, Ran, configured, learns, shard

EVERY, HORIZON, WINDOW = 5, 30, 60
CLASSES = (-1, 0, 1)


class Row(NamedTuple):
    """A vector on the rhythm, the price known then, and whether its window [ts - horizon, ts] was sound."""

    symbol: str
    ts: int
    features: dict
    price: float | None
    tainted: bool
    sound: bool


def rows_of(ran):
    """Worked out from the events and the vectors on their topics alone, in the order in which they came."""
    vectors = {}
    for value in ran.of("features"):
        vector = decode_vector(value)
        vectors.setdefault(vector.origin.offset, []).append(vector)
    prices, breaks = {}, {symbol: [] for symbol in SYMBOLS}
    for offset, value in ran.messages:
        for vector in vectors.get(offset, []):
            if vector.tainted:
                breaks[vector.symbol].append(vector.ts)
            if vector.ts % (EVERY * SECOND) == 0:
                known = [(at, kind, price) for at, kind, price in prices.get(vector.symbol, {}).values()]
                newest = max(known, default=(0, 0, None))
                price = newest[2] if vector.ts - newest[0] <= 60 * SECOND else None
                sound = all(time < vector.ts - HORIZON * SECOND for time in breaks[vector.symbol])
                features = {name: found for name, found in vector.features.items() if found is not None}
                yield Row(vector.symbol, vector.ts, features, price, vector.tainted, sound)
        event = decode_event(value)
        if isinstance(event, Trade):
            prices.setdefault(event.symbol, {})["trade"] = (event.recv, 1, event.price)
        elif isinstance(event, Kline) and event.closed:
            end = min(event.start + 60 * SECOND, event.recv)
            prices.setdefault(event.symbol, {})["candle"] = (end, 0, event.close)
        elif isinstance(event, Gap):
            breaks[event.symbol].append(max(event.recv, event.end))


def classified(change):
    return 1 if change > TARGET.threshold else -1 if change < -TARGET.threshold else 0


class Bare:
    """The same pipeline, used directly on the same rows."""

    def __init__(self, ran, model):
        self.said, self.labels, self.learned = {}, {}, dict.fromkeys(SYMBOLS, 0)
        self.models = {symbol: pipeline(Online(model=model)) for symbol in SYMBOLS}
        seen = {}
        for row in rows_of(ran):
            before = seen.get((row.symbol, row.ts - HORIZON * SECOND))
            if before is not None and row.sound and not before.tainted and before.price and row.price:
                self._learn(row, before)
            if not row.tainted and row.price is not None and self.learned[row.symbol] >= LESSONS:
                self.said[row.symbol, row.ts] = self.models[row.symbol].predict_proba_one(row.features)
            seen[row.symbol, row.ts] = row

    def _learn(self, row, before):
        label = classified(row.price / before.price - 1)
        self.models[row.symbol].learn_one(before.features, label)
        self.learned[row.symbol] += 1
        self.labels[before.symbol, before.ts] = label


@pytest.fixture(scope="module", params=MODELS)
def both(request):
    ran = Ran(shard(3, 1_500, *configured(learns(model=request.param, window=WINDOW))))
    return ran, Bare(ran, request.param)


@pytest.mark.req("MS-FR-004")
def test_predictions_are_those_of_the_pipeline_used_directly(both):
    ran, bare = both
    found = {(said.symbol, said.ts): [said.probabilities[str(label)] for label in CLASSES] for said in ran.predictions}

    assert list(found) == list(bare.said)
    assert len(found) > 200
    assert not ran.trouble or {record.problem for record in ran.trouble} == {"model.drift"}
    for key, probabilities in bare.said.items():
        assert found[key] == pytest.approx([probabilities.get(label, 0.0) for label in CLASSES], rel=1e-12)


def test_outcomes_are_those_of_the_rows(both):
    """The class of the return, of each prediction whose window is whole, and of no other."""
    ran, bare = both
    wanted = {key: label for key, label in bare.labels.items() if key in bare.said}

    assert {(outcome.symbol, outcome.ts): outcome.label for outcome in ran.outcomes} == wanted
    assert len(wanted) > 150
    assert len(set(wanted.values())) == 3


def test_scores_are_river_s_own_metrics_over_the_window(both):
    """Accuracy, log-loss and how much was learned, by the metrics of River and scikit-learn on the last outcomes."""
    ran, bare = both
    accuracy = {symbol: utils.Rolling(metrics.Accuracy(), WINDOW) for symbol in SYMBOLS}
    losses = {symbol: deque(maxlen=WINDOW) for symbol in SYMBOLS}
    outcomes = {symbol: deque(o for o in ran.outcomes if o.symbol == symbol) for symbol in SYMBOLS}
    assert len(ran.scores) > 20
    for score in ran.scores:
        waiting = outcomes[score.symbol]
        while waiting and waiting[0].matured <= score.ts:
            outcome = waiting.popleft()
            accuracy[score.symbol].update(outcome.label, outcome.predicted)
            said = {label: outcome.probabilities[str(label)] for label in CLASSES}
            losses[score.symbol].append((outcome.label, said))
        labels, said = zip(*losses[score.symbol], strict=True)
        loss = log_loss(labels, [list(row.values()) for row in said], labels=CLASSES)  # River's stops at another eps

        assert score.accuracy == pytest.approx(accuracy[score.symbol].get())
        assert score.samples == len(losses[score.symbol])
        assert score.log_loss == pytest.approx(loss, rel=1e-9)
    last = {score.symbol: score for score in ran.scores}
    assert all(0 <= bare.learned[symbol] - score.learned <= 12 for symbol, score in last.items())
