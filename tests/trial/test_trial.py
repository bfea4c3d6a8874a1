"""A trial is a backtest with one model in force, whatever the log itself activates."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.demo.feed import START
from connectors.log import Log, NewRecord
from connectors.log.sqlite import SqliteLog
from dataflows.asking import NothingToTest, Question, ask
from dataflows.backtest import backtest
from dataflows.digest import digest, records
from dataflows.findings import decode_bar, findings
from dataflows.positions import parse_place
from dataflows.trial import ACCOUNT, as_tried, trial
from operators.online.models import Unusable
from operators.trading.stage import InForce
from schemas.codec import decode_decision, encode
from schemas.model import ModelActivated
from schemas.strategy import StrategyConfigured
from tests.trial.conftest import FEATURES, SECONDS, SHARDS, STRATEGY

SECOND = 1_000_000
FIRST, LAST = START + 120 * SECOND, START + (SECONDS - 30) * SECOND
TOPICS = ("decisions", "signals", "account")
NAMES = ["win_rate", "total_pnl", "avg_pnl", "sharpe_ratio", "profit_factor", "max_drawdown", "trades"]


def log_with(
    events: Sequence[ModelActivated | StrategyConfigured], recorded: Path, folder: Path, middle: int = 0
) -> Log:
    """The recorded market behind ``events``, the last ``middle`` of which come in its middle, on every shard."""
    source, made = SqliteLog(recorded), SqliteLog(folder)
    made.create("events", SHARDS)
    head, inner = events[: len(events) - middle], events[len(events) - middle :]
    for shard in range(SHARDS):
        market = [NewRecord(found.key, found.value, found.timestamp) for found in records(source, "events", shard)]
        half = next(at for at, found in enumerate(market) if found.timestamp > (FIRST + LAST) // 2)
        first = [NewRecord(None, encode(event), START) for event in head]
        later = [NewRecord(None, encode(event), market[half].timestamp) for event in inner]
        made.append("events", shard, [*first, *market[:half], *later, *market[half:]])
    source.close()
    return made


def activated(model: InForce | None, strategy: str = STRATEGY.strategy) -> ModelActivated:
    version, sha256 = model or (None, "")
    return ModelActivated(recv=START, strategy=strategy, version=version, sha256=sha256)


def configured(model: InForce | None) -> StrategyConfigured:
    return StrategyConfigured(recv=START, settings=as_tried(STRATEGY, model))


def plainly(log: Log, folder: Path, files) -> tuple[dict, list[float], dict[str, str]]:
    """What a backtest of the log as it stands says, without any of the trial's code."""
    question = Question(
        parse_place("2025-06-15T15:08:40Z"), lambda log, topic, shard: log.offset_at(topic, shard, LAST),
        [], frozenset(), tuple, ACCOUNT, "trial",
    )  # fmt: skip
    request = ask(log, SHARDS, FEATURES, "", question)
    folder.mkdir()
    own = backtest(log, request, FEATURES, folder, models=files)
    found = findings(own, request)
    digests = {topic: digest(own, topic, SHARDS) for topic in TOPICS}
    own.close()
    return found["metrics"], [trip["net"] for trip in found["trips"] if trip["closed"]], digests


def digests_of(folder: Path, variant: str) -> dict[str, str]:
    [run] = folder.glob(f"{variant}-*")
    own = SqliteLog(run / "log")
    try:
        return {topic: digest(own, topic, SHARDS) for topic in TOPICS}
    finally:
        own.close()


@pytest.mark.req("MS-US-3.3", "TK-MS-34")
def test_each_variant_is_a_backtest_of_a_log_that_activates_its_model(recorded, tmp_path, files, candidate, champion):
    """The log under trial activates other models, before and in the middle: they do not count."""
    other = InForce("v9", "9" * 64)
    log = log_with([configured(None), activated(other), activated(champion)], recorded, tmp_path / "log", middle=1)

    found = trial(log, SHARDS, FEATURES, STRATEGY, candidate, champion, FIRST, LAST, files, tmp_path / "runs")

    assert list(found) == ["candidate", "champion", "warmup", "buy_and_hold"]
    for name, model in (("candidate", candidate), ("champion", champion), ("warmup", None)):
        events = [configured(model), activated(model), activated(None, "nobody")]
        direct = log_with(events, recorded, tmp_path / name, middle=1)
        metrics, nets, digests = plainly(direct, tmp_path / f"{name}-run", files)
        assert digests_of(tmp_path / "runs", name) == digests
        assert list(found[name]) == NAMES
        assert found[name]["trades"] == len(nets)
        assert found[name]["total_pnl"] == metrics["profit"]
        assert found[name]["win_rate"] == (pytest.approx(sum(net > 0 for net in nets) / len(nets)) if nets else None)
        assert found[name]["avg_pnl"] == (pytest.approx(sum(nets) / len(nets)) if nets else None)
        assert (found[name]["sharpe_ratio"], found[name]["profit_factor"], found[name]["max_drawdown"]) == (
            metrics["sharpe"], metrics["profit_factor"], metrics["max_drawdown"],
        )  # fmt: skip
    said = {name: str(found[name]) for name in found}
    assert len(set(said.values())) == 4
    versions = decided_by(tmp_path / "runs", "candidate")
    assert candidate.version in versions
    assert not versions & {champion.version, other.version}


def decided_by(folder: Path, variant: str) -> set[object]:
    [run] = folder.glob(f"{variant}-*")
    own = SqliteLog(run / "log")
    decisions = [decode_decision(found.value) for shard in range(SHARDS) for found in records(own, "decisions", shard)]
    own.close()
    return {one.numbers.get("model_version") for one in decisions} - {None}


def test_buying_and_holding_is_worked_out_from_the_prices(recorded, tmp_path, files, candidate):
    """By hand: all the cash of each symbol at its first price, sold at its last, both with the taker's fee."""
    log = log_with([], recorded, tmp_path / "log")
    found = trial(log, SHARDS, FEATURES, STRATEGY, candidate, None, FIRST, LAST, files, tmp_path / "runs")

    assert list(found) == ["candidate", "warmup", "buy_and_hold"]
    [run] = (tmp_path / "runs").glob("warmup-*")
    own = SqliteLog(run / "log")
    prices: dict[str, list[float]] = {}
    for shard in range(SHARDS):
        for record in records(own, "prices", shard):
            bar = decode_bar(record.value)
            prices.setdefault(bar.symbol, []).append(bar.close)
    fee, earned = ACCOUNT.taker_fee, []
    for closes in prices.values():
        size = ACCOUNT.cash / (closes[0] * (1 + fee))
        earned.append(size * closes[-1] * (1 - fee) - ACCOUNT.cash)
    assert found["buy_and_hold"]["total_pnl"] == pytest.approx(sum(earned))
    assert found["buy_and_hold"]["trades"] == len(STRATEGY.symbols)
    assert found["buy_and_hold"]["avg_pnl"] == pytest.approx(sum(earned) / len(earned))


def test_a_long_range_is_cut_to_its_newest_part_and_an_empty_one_refused(recorded, tmp_path, files, candidate):
    log = log_with([], recorded, tmp_path / "log")
    arguments = (log, SHARDS, FEATURES, STRATEGY, candidate, None)

    short = trial(*arguments, LAST - 60 * SECOND, LAST, files, tmp_path / "short")
    cut = trial(*arguments, FIRST, LAST, files, tmp_path / "cut", longest=60 * SECOND)

    assert cut == short
    with pytest.raises(NothingToTest):
        trial(*arguments, LAST + 3600 * SECOND, LAST + 7200 * SECOND, files, tmp_path / "none")


def test_a_candidate_without_its_file_is_refused_and_such_a_champion_left_out(recorded, tmp_path, files, candidate):
    """It would trade as warm-up does, and pass for a model that is no better."""
    log = log_with([], recorded, tmp_path / "log")
    missing, other = InForce("v77", "7" * 64), InForce(candidate.version, "7" * 64)
    arguments = (FIRST, FIRST + 60 * SECOND, files, tmp_path / "runs")

    for one in (missing, other):
        with pytest.raises(Unusable, match=one.version):
            trial(log, SHARDS, FEATURES, STRATEGY, one, None, *arguments)
    found = trial(log, SHARDS, FEATURES, STRATEGY, candidate, missing, *arguments)
    assert list(found) == ["candidate", "warmup", "buy_and_hold"]
