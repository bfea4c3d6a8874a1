"""A backtest is the live flow fed from an earlier offset: the same decisions, whatever happens on the way."""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import context
from cli.main import build
from connectors.log.sqlite import SqliteLog
from dataflows.digest import records
from schemas.codec import decode_decision, decode_signal, decode_vector
from tests.backtest.conftest import STRATEGIES, installation
from tests.installation import Installation, kill, wait_until

pytestmark = pytest.mark.timeout(600)
FILES = ("result.json", "tearsheet.html")


def backtest(home: Installation, *options: str) -> dict[str, Any]:
    """Run one; returns what it printed."""
    printed = home.run("backtest", "--json", *options)
    return json.loads(printed[printed.index('{"run"') :])


def own_log(home: Installation, found: dict[str, Any]) -> SqliteLog:
    return SqliteLog(home.home / "backtests" / "runs" / found["run"] / "log")


def decoded(log, topic, decode, shards=2):
    return [decode(record.value) for shard in range(shards) for record in records(log, topic, shard)]


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    return json.loads(Path(found["result"]).read_bytes())


def test_a_live_paper_run_and_a_backtest_over_its_offsets_decide_the_same(paper):
    found = backtest(paper)

    assert found["metrics"]["signals"] > 20
    assert found["metrics"]["executions"] > 20
    assert found["digests"] == {topic: paper.digest(topic) for topic in ("decisions", "signals", "account")}
    with_exits = {trip["rule"] for trip in result_of(found)["trips"]}
    assert with_exits & {"take_profit", "stop_loss"}


def test_killed_and_resumed_it_gives_the_same_bytes(paper, tmp_path):
    """kill -9 in the middle, twice, each time after something was written."""
    whole = backtest(paper, "--out", str(tmp_path / "whole"))
    run = paper.home / "backtests" / "runs" / whole["run"]
    shutil.rmtree(run)
    killed = written = 0
    while killed < 2:
        process = paper.start("backtest", "--out", str(tmp_path / "killed"))
        wait_until(lambda: ends(run, "decisions") > written, "decisions", process)  # noqa: B023
        kill(process)
        killed, written = killed + 1, ends(run, "decisions")
        assert not (tmp_path / "killed").exists()

    backtest(paper, "--out", str(tmp_path / "killed"))

    for name in FILES:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def ends(run: Path, topic: str) -> int:
    if not (run / "log" / f"{topic}.db").exists():
        return 0
    log = SqliteLog(run / "log")
    try:
        return sum(log.end(topic, shard) for shard in range(2))
    finally:
        log.close()


def test_asked_again_it_gives_the_same_bytes_and_with_another_question_another_run(paper, tmp_path):
    first = backtest(paper, "--out", str(tmp_path / "a"))
    again = backtest(paper, "--out", str(tmp_path / "b"))
    other = backtest(paper, "--strategy", "calm")

    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (first["run"] == again["run"], first["run"] == other["run"]) == (True, False)


def test_from_the_middle_the_market_is_known_and_everything_else_begins_there(paper):
    """Features are those of the live run from the first second on; the strategies in force before are still so."""
    first = 7_000
    found = backtest(paper, "--from", str(first))
    log, own = paper.log(), own_log(paper, found)
    live = {(vector.symbol, vector.ts): vector.features for vector in decoded(log, "features", decode_vector)}

    signals, decisions = decoded(own, "signals", decode_signal), decoded(own, "decisions", decode_decision)

    assert {one.strategy for one in decisions} == set(STRATEGIES)
    assert min(one.origin.offset for one in [*signals, *decisions]) >= first
    entries = [one for one in signals if one.kind == "entry"]
    assert len(entries) > 10
    for one in entries:
        known = live[one.symbol, one.ts // 1_000_000 * 1_000_000]
        assert dict(one.snapshot.indicators) == {name: known[name] for name in one.snapshot.indicators}
    assert any(value is not None for one in entries for value in one.snapshot.indicators.values())
    assert result_of(found)["equity"]["equity"][0] == 20_000.0


def test_a_range_ends_before_its_end(paper):
    found = backtest(paper, "--from", "4000", "--to", "8000")
    origins = [one.origin.offset for one in decoded(own_log(paper, found), "decisions", decode_decision)]

    assert 4_000 <= min(origins) <= max(origins) < 8_000
    assert [(row["from"], row["to"]) for row in result_of(found)["facts"]["shards"]] == [(4000, 8000)] * 2


def test_a_strategy_alone_and_a_strategy_from_a_file(paper, tmp_path):
    alone = backtest(paper, "--strategy", "bold")
    file = tmp_path / "timid.yaml"
    file.write_text(STRATEGIES["bold"].replace("bold", "timid").replace("20", "2"))
    instead = backtest(paper, "--strategy", str(file))

    for found, expected, where in ((alone, "bold", "the log"), (instead, "timid", "--strategy")):
        decisions = decoded(own_log(paper, found), "decisions", decode_decision)
        assert {one.strategy for one in decisions} == {expected}
        facts = result_of(found)["facts"]
        assert ([one["strategy"] for one in facts["strategies"]], facts["strategies_from"]) == ([expected], where)


def test_the_events_of_a_live_account_are_replayed_on_paper(tmp_path):
    """Where the log says that the account was live, a backtest trades its strategies on paper all the same."""
    home = installation(tmp_path)
    home.settings["LOCKSTEP_ACCOUNT"] = "live"
    home.run("strategies", "apply")
    home.run("collect", "--source", "demo", "--speed", "max", "--seconds", "90")

    found = backtest(home)

    assert found["metrics"]["executions"] > 0
    assert result_of(found)["facts"]["account"]["kind"] == "paper"


def test_a_source_is_collected_once_and_its_strategies_come_from_the_settings(tmp_path):
    home = installation(tmp_path)
    options = ("--source", "demo", "--seconds", "90")

    first = home.run("backtest", "--json", *options)
    again = home.run("backtest", "--json", *options)

    assert ("collecting demo" in first, "collecting demo" in again) == (True, False)
    assert first[first.index('{"run"') :] == again[again.index('{"run"') :]
    found = json.loads(again[again.index('{"run"') :])
    assert found["metrics"]["signals"] > 0
    assert result_of(found)["facts"]["strategies_from"] == "config/strategies"


def test_a_recorded_file_is_a_source(tmp_path, shared_data):
    """A recording of a real exchange: features, decisions and a page come out of it."""
    home = installation(tmp_path)
    home.settings["LOCKSTEP_STRATEGIES"] = str(tmp_path / "only")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "calm.yaml").write_text(STRATEGIES["calm"])

    found = backtest(home, "--source", str(shared_data / "bybit_ws" / "bybit_v5_linear_spot_20260809.jsonl.gz"))

    facts = result_of(found)["facts"]
    assert facts["source"] == "recorded bybit_v5_linear_spot_20260809.jsonl.gz"
    assert facts["events"] > 100
    assert str(tmp_path) not in Path(found["result"]).read_text() + Path(found["page"]).read_text()


def test_runs_are_compared_on_one_page(paper, tmp_path):
    first, second = backtest(paper), backtest(paper, "--strategy", "calm")

    paper.run("backtest", "compare", first["run"], second["result"], "--out", str(tmp_path / "page.html"))

    page = (tmp_path / "page.html").read_text()
    assert first["run"] in page
    assert second["run"] in page
    assert "strategies.bold" in page


def test_ctrl_c_ends_it_at_once_and_says_that_it_goes_on(tmp_path):
    """In the middle of the replay, with nothing but one sentence; the next run finishes."""
    home = installation(tmp_path)
    options = ("--source", "demo", "--seconds", "600")
    process = home.start("backtest", *options)
    runs = home.home / "backtests" / "runs"
    wait_until(lambda: runs.exists() and any(ends(run, "decisions") for run in runs.iterdir()), "decisions", process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)

    assert process.returncode == 130
    assert "interrupted; the same command goes on" in said
    assert "panicked" not in said
    assert backtest(home, *options)["metrics"]["decisions"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "yesterday"], "is no place in the log"),
        (["--from", "7", "--to", "7"], "no event between --from and --to"),
        (["--strategy", "nobody"], "the log has bold, calm"),
        (["--strategy", "absent.yaml"], "absent.yaml"),
        (["--source", "/no/such/file"], "is no file or folder"),
        (["--source", "bybit"], "collect it first"),
        (["compare", "nothing", "neither"], "is no result"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(paper, monkeypatch, capsys, options, said):
    """In this process, as the start of seven others would take long."""
    for name, value in paper.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["lockstep", "backtest", *options])

    with pytest.raises(SystemExit) as ended:
        context.run(build("backtest"))

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_log_without_events_is_told_where_they_come_from(tmp_path):
    home = installation(tmp_path)

    assert "holds no events yet: collect some first" in home.run("backtest", code=4)
    assert "holds no events yet: collect some first" in home.run("explain", "anything", code=4)
