"""What is in force where a backtest begins, against going through the log by hand."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.log import NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.admission import BY, Admission
from dataflows.asking import NothingToTest, Question, ask
from dataflows.history import Placed, controls, in_force
from dataflows.positions import parse_place
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.account import AccountConfigured
from schemas.codec import decode_event, encode
from schemas.market import Tick
from schemas.model import ModelActivated
from schemas.strategy import Strategy, StrategyConfigured

START = 1_700_000_000_000_000
REGISTRY = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "1.0.0.yaml"
FEATURES = FeatureSet.compile(parse_registry(REGISTRY.read_text(), where="1.0.0"))
DEFAULT = AccountConfigured(recv=1, kind="paper", cash=555.0)


def strategy(name, symbols=("BTCUSDT",), by=""):
    return StrategyConfigured(recv=1, settings=Strategy(name, symbols), by=by)


def account(kind, cash=100.0):
    return AccountConfigured(recv=1, kind=kind, cash=cash)


@pytest.fixture
def log(tmp_path: Path):
    made = SqliteLog(tmp_path / "log")
    made.create("events", 1)
    yield made
    made.close()


def fill(log, events):
    log.append("events", 0, [NewRecord(None, encode(event), START + at * 1000) for at, event in enumerate(events)])


def asked(log, first="beginning", last="end", files=(), only=(), otherwise=()):
    question = Question(
        parse_place(first), parse_place(last), files, frozenset(only), lambda: otherwise, DEFAULT, "test"
    )
    return ask(log, 1, FEATURES, "digest", question)


def begun(request):
    return [decode_event(event) for event in request.ranges[0].events]


def ticks(count):
    return [Tick(START + at) for at in range(count)]


def test_what_stood_before_the_beginning_is_in_force(log):
    """The newest of each, once; what comes later comes by itself."""
    fill(
        log,
        [
            account("paper", 7.0),
            strategy("a"),
            strategy("b"),
            *ticks(3),
            strategy("a", ("ETHUSDT",)),
            ModelActivated(recv=1, strategy="a", version="v1"),
            *ticks(3),
            strategy("b", ("XRPUSDT",)),
            *ticks(2),
        ],
    )

    request = asked(log, "9")

    assert begun(request) == [
        account("paper", 7.0),
        strategy("b"),
        strategy("a", ("ETHUSDT",)),
        ModelActivated(recv=1, strategy="a", version="v1"),
    ]
    assert {one.strategy: one.symbols for one in request.strategies} == {"a": ("ETHUSDT",), "b": ("XRPUSDT",)}
    assert (request.account.cash, request.own, request.strategies_from) == (7.0, False, "the log")


def test_a_log_that_configures_its_own_paper_account_says_itself_when_trading_begins(log):
    fill(log, [*ticks(2), account("paper"), strategy("a"), *ticks(2)])

    assert begun(asked(log)) == []


def test_a_live_account_becomes_a_paper_one_with_its_terms(log):
    fill(log, [account("live", 42.0), strategy("a"), *ticks(2)])

    assert begun(asked(log)) == [account("paper", 42.0)]
    assert begun(asked(log, "2")) == [account("paper", 42.0), strategy("a")]


def test_strategies_from_files_replace_those_of_the_log(log):
    fill(log, [account("paper", 9.0), strategy("a"), *ticks(3), strategy("a", ("ETHUSDT",)), *ticks(2)])

    request = asked(log, "3", files=[Strategy("mine", ("BTCUSDT",))])

    assert begun(request) == [account("paper", 9.0), strategy("mine", by=BY)]
    assert request.own
    assert not Admission(own=True).admits(strategy("a"))
    assert Admission(own=True).admits(strategy("mine", by=BY))


def test_strategies_from_files_have_an_account_from_the_first_event_on(log):
    """Though the log's own strategies had none before its third."""
    fill(log, [*ticks(2), account("paper", 8.0), strategy("a"), *ticks(2)])

    assert begun(asked(log, files=[Strategy("mine", ("BTCUSDT",))])) == [account("paper", 8.0), strategy("mine", by=BY)]


def test_only_some_strategies_of_the_log(log):
    fill(log, [strategy("a"), strategy("b"), ModelActivated(recv=1, strategy="b", version="v"), *ticks(3)])

    request = asked(log, "4", only=["a"])

    assert begun(request) == [DEFAULT, strategy("a")]
    with pytest.raises(NothingToTest, match="the log has a, b"):
        asked(log, only=["c"])


def test_a_log_without_strategies_takes_those_of_the_settings(log):
    fill(log, ticks(5))

    request = asked(log, otherwise=[Strategy("b", ("BTCUSDT",)), Strategy("a", ("BTCUSDT",))])

    assert begun(request) == [DEFAULT, strategy("a", by=BY), strategy("b", by=BY)]
    assert request.strategies_from == "config/strategies"
    with pytest.raises(NothingToTest, match="no strategy"):
        asked(log)


def test_times_of_control_events_are_not_times_of_the_market(log):
    """Those at the head of a log are of 1970, later ones of whenever somebody typed a command."""
    log.append("events", 0, [NewRecord(None, encode(strategy("a")), 1000)])
    fill(log, ticks(4))
    log.append("events", 0, [NewRecord(None, encode(strategy("a")), START * 2)])

    found = asked(log).ranges[0]

    assert (found.begins, found.ends) == (START, START + 3000)


def test_the_question_tells_runs_apart(log, tmp_path):
    other = SqliteLog(tmp_path / "other")
    other.create("events", 1)
    fill(log, [strategy("a"), *ticks(9)])
    fill(other, [strategy("a"), *ticks(8), Tick(START + 99)])

    ids = {asked(log).id, asked(log, "3").id, asked(log, last="7").id, asked(log, only=["a"]).id, asked(other).id}

    assert asked(log).id == asked(log).id
    assert len(ids) == 5
    other.close()


@given(st.lists(st.sampled_from("abT"), min_size=1, max_size=30), st.integers(0, 30))
def test_in_force_agrees_with_going_back_from_the_offset(kinds, offset):
    events = [Tick(START) if kind == "T" else strategy(kind, (f"SYM{at}",)) for at, kind in enumerate(kinds)]
    placed = [Placed(at, event) for at, event in enumerate(events) if not isinstance(event, Tick)]

    found = {event.settings.strategy: event for event in in_force(placed, offset)}

    for name in "ab":
        before = [event for event in events[:offset] if not isinstance(event, Tick) and event.settings.strategy == name]
        assert found.get(name) == (before[-1] if before else None)


def test_control_events_are_found_among_others(log):
    """Also one that some other writer spelled with spaces; a market event that mentions one is none."""
    spelled = msgspec.json.format(encode(strategy("a")), indent=2)
    fill(log, ticks(3))
    log.append("events", 0, [NewRecord(None, spelled, START), NewRecord(None, b'{"account.configured"', START)])

    assert list(controls(log, 0, 5)) == [Placed(3, strategy("a"))]
