"""A whole study: finds what is there, finds nothing where nothing is, and says the same every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from cli import context
from cli.context import REGISTRIES
from cli.main import build
from learning.study import Question, Settings, corrected, rates_beside, read_bars, study
from learning.study.folds import folds
from learning.study.rows import build_rows, choose
from learning.study.settings import TREES
from learning.study.study import MODELS
from learning.study.target import UNKNOWN, targets
from operators.registry import parse_registry
from reports.study import study_page
from tests.study.drawn import MINUTE, walk, write

REGISTRY = parse_registry((REGISTRIES / "extended.yaml").read_text(), where="extended")
SMALL = Settings(
    (Question(60, 0.0003), Question(300, 0.0005)),
    units=12,
    cuts=5,
    train=5,
    embargo=60,
    training=replace(TREES, params=TREES.params | {"n_estimators": 20, "min_child_weight": 5}),
)


@pytest.fixture(scope="module")
def candles(tmp_path_factory) -> Path:
    """One market that takes half of each move back, and one that does not know where it goes."""
    folder = tmp_path_factory.mktemp("candles")
    write(folder, walk(21, 1300, pull=0.9), "BTCUSDT_1m.csv.gz")
    write(folder, walk(22, 1300), "ETHUSDT_1m.csv.gz")
    return folder


@pytest.fixture(scope="module")
def results(candles):
    return [study(candles / f"{symbol}_1m.csv.gz", None, REGISTRY, SMALL) for symbol in ("BTCUSDT", "ETHUSDT")]


@pytest.mark.parametrize("metric", ["accuracy", "direction_auc"])
def test_what_can_be_foretold_is_found_and_what_cannot_is_not(results, metric):
    """Among all tests together: a false find would be one in twenty studies."""
    found = {
        (test["symbol"], test["horizon"], test["model"]): (test["mean"], test["p_holm"])
        for test in corrected(results)
        if test["metric"] == metric
    }

    assert len(found) == 2 * 2 * 4
    for model in ("logistic_regression", "xgboost"):
        gained, p = found["BTCUSDT", 60, model]
        assert gained > 0.1
        assert p < 0.05
    assert all(p > 0.05 for (symbol, _, _), (mean, p) in found.items() if symbol == "ETHUSDT" and mean > 0)


def test_the_majority_is_counted_by_hand(candles, results):
    bars = read_bars(candles / "BTCUSDT_1m.csv.gz")
    rows = build_rows(bars, [], choose(REGISTRY, funding=False))
    for question, told in zip(SMALL.questions, results[0]["questions"], strict=True):
        label = targets(bars, rows, question).label
        cut = folds(rows.ts, label != UNKNOWN, question.horizon, SMALL)
        for place, fold in enumerate(cut):
            learnt = label[np.concatenate([fold.train.rows, fold.validation.rows])].tolist()
            most = max((-1, 0, 1), key=learnt.count)
            judged = label[fold.test.rows].tolist()
            figures = told["models"]["majority"]["folds"][place]
            assert figures["accuracy"] == pytest.approx(judged.count(most) / len(judged))
            assert told["folds"][place]["test"]["rows"] == len(judged)
            assert told["folds"][place]["test"]["shares"]["flat"] == pytest.approx(judged.count(0) / len(judged))
        assert told["models"]["majority"]["summary"]["roc_auc"]["mean"] == 0.5


def test_every_fold_and_every_model_is_told(results):
    for found in results:
        assert [question["horizon"] for question in found["questions"]] == [60, 300]
        assert not set(found["features"]) & set(found["left_out"])
        for question in found["questions"]:
            assert list(question["models"]) == list(MODELS)
            assert len(question["folds"]) == SMALL.folds
            assert {len(told["folds"]) for told in question["models"].values()} == {SMALL.folds}
            assert sum(question["shares"].values()) == pytest.approx(1)
            ends = [fold["test"]["last"] for fold in question["folds"]]
            begins = [fold["test"]["first"] for fold in question["folds"]]
            assert all(end < begin for end, begin in zip(ends, begins[1:], strict=False))


def test_a_page_tells_all_of_it_and_is_the_same_for_the_same_result(results):
    result = {"form": 1, "level": 0.95, "studies": results, "tests": corrected(results)}
    page = study_page(json.loads(json.dumps(result)))

    assert page == study_page(result)
    for found in results:
        assert found["sha256"] in page
        for question in found["questions"]:
            for told in question["models"].values():
                assert f"{told['summary']['accuracy']['mean']:.4f} ± " in page
                assert all(f"<td>{fold['accuracy']:.4f}</td>" in page for fold in told["folds"])
    assert page.count("<circle") == len(result["tests"])
    assert "http" not in page.replace("http-equiv", "")


def lockstep(*arguments: object, code: int = 0) -> None:
    """The command in this process."""
    try:
        with context.clear_errors():
            build("study")([str(argument) for argument in ("study", *arguments)], standalone_mode=False)
    except SystemExit as ended:
        assert ended.code == code
    else:
        assert code == 0


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--question", "60:0.0003", "--units", "6", "--train", "2", "--embargo", "60")


def test_the_command_writes_the_same_bytes_whatever_the_processes(candles, options, tmp_path, capsys):
    lockstep(candles, *options, "--jobs", 1, "--out", tmp_path / "one")
    said = capsys.readouterr().out
    subprocess.run(
        [sys.executable, "-m", "cli.main", "study", candles, *options, "--jobs", "2", "--out", tmp_path / "two"],
        check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "2"},
    )  # fmt: skip

    for name in ("study.json", "study.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = [line for line in said.splitlines() if line.startswith(("| BTCUSDT", "| ETHUSDT"))]
    assert len(rows) == 2 * len(MODELS)
    told = json.loads((tmp_path / "one" / "study.json").read_bytes())["studies"][0]["settings"]
    assert (told["units"], told["questions"]) == (6, [{"horizon": 60, "threshold": 0.0003}])
    assert told["training"]["params"]["max_depth"] == 4


def test_the_command_catches_a_leak(candles, options, tmp_path, capsys):
    lockstep(candles / "BTCUSDT_1m.csv.gz", *options, "--leak", "--out", tmp_path / "leak", code=1)

    assert "feature next_return knows the future" in capsys.readouterr().err
    assert not (tmp_path / "leak").exists()


def test_the_command_says_what_is_wrong(candles, tmp_path, capsys):
    short = write(tmp_path, walk(1, 50), "BTCUSDT_1m.csv")
    five = write(tmp_path, walk(1, 400, 5 * MINUTE), "BTCUSDT_5m.csv")
    for arguments, code, said in (
        ((tmp_path / "none",), 2, "no such file or folder"),
        ((tmp_path, "--only", "XRPUSDT"), 2, "no file of candles of XRPUSDT in it"),
        ((candles, "--question", "soon:0.1"), 2, "--question"),
        ((candles, "--units", "3", "--train", "3"), 2, "none is left to be judged on"),
        ((short,), 4, "50 bars are too few"),
        ((five, "--question", "100:0.1"), 4, "a horizon of 100 s is no whole number of bars"),
        ((five, "--question", "300:0.1", "--embargo", "999999"), 4, "a split of a fold has no rows"),
    ):
        lockstep(*arguments, "--out", tmp_path / "out", code=code)
        assert said in capsys.readouterr().err


def test_funding_is_found_by_symbol_and_time(tmp_path):
    path = write(tmp_path, walk(3, 50, 5 * MINUTE), "BTCUSDT_5m.csv")
    funding = tmp_path / "funding"
    funding.mkdir()
    start = int(read_bars(path).start[0]) // 1000
    for name, first in (("bybit_BTCUSDT_1.csv", 1000), ("bybit_BTCUSDT_2.csv", start), ("bybit_ETHUSDT_2.csv", start)):
        (funding / name).write_text(f"ts_ms,funding_rate\n{first},0.0001\n{first + 1},0.0002\n")

    found = rates_beside(path, funding)

    assert found is not None
    assert found.name == "bybit_BTCUSDT_2.csv"
    (funding / "bybit_BTCUSDT_2.csv").unlink()
    assert rates_beside(path, funding) is None
