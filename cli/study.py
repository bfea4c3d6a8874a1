"""``lockstep study``: what can be foretold of recorded candles, by which model, and how sure that is."""

import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli.context import CONFIG, Exit, UserError

if TYPE_CHECKING:
    from learning.study import Settings

REGISTRY = CONFIG / "feature_registry" / "extended.yaml"
"""The one whose features candles can fill."""
RESULT, PAGE = "study.json", "study.html"
SHOWN = ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "direction_auc", "edge_bps")
HEADS = (
    "file", "horizon", "model", "accuracy", "balanced accuracy", "log-loss", "ROC-AUC", "up/down AUC", "edge, bps",
    "accuracy gained", "p, Holm", "", "up/down over ½", "p, Holm", "",
)  # fmt: skip


def study(
    source: Annotated[Path, typer.Argument(help="A file of candles (CSV, also gzipped), or a folder of them.")],
    funding: Annotated[Path | None, typer.Option(help="A folder with files of funding rates.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A symbol of the folder; say it again for more.")] = None,
    question: Annotated[
        list[str] | None, typer.Option(help="SECONDS:THRESHOLD, such as 3600:0.002; say it again for more.")
    ] = None,
    units: Annotated[int, typer.Option(min=3, help="Equal parts that the time is cut into.")] = 16,
    train: Annotated[int, typer.Option(min=1, help="Of them, those that a fold learns from.")] = 6,
    embargo: Annotated[int, typer.Option(min=0, help="Seconds between two splits.")] = 3600,
    out: Annotated[Path, typer.Option(help="Folder for study.json and study.html.")] = Path("study"),
    jobs: Annotated[int, typer.Option(min=1, help="Files at a time.")] = os.cpu_count() or 1,
    leak: Annotated[bool, typer.Option(help="Add a feature of the future, which must be caught.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Walk forward through recorded candles with every model beside honest baselines; write figures and a page."""
    files = _files(source, only or [])
    settings = _settings(question or [], units, train, embargo)
    asked = [(file, funding, settings, leak) for file in files]
    if min(jobs, len(files)) == 1:
        found = [_one(*one) for one in asked]
    else:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(_one, *zip(*asked, strict=True)))
    if failed := [text for text in found if isinstance(text, str)]:
        raise UserError(failed[0], Exit.FAILED if leak else Exit.DATA)
    result = _result([one for one in found if not isinstance(one, str)], settings)
    out.mkdir(parents=True, exist_ok=True)
    _write(result, out)
    typer.echo(json.dumps(result["tests"]) if as_json else "\n".join(_table(result)))
    typer.echo(f"figures: {out / RESULT}\npage:    {out / PAGE}", err=as_json)


def _one(file: Path, funding: Path | None, settings: "Settings", leak: bool) -> dict[str, Any] | str:
    """The study of one file, or why there is none."""
    from learning.study import rates_beside, study
    from learning.study.injected import with_future
    from learning.training import CannotTrain
    from operators.registry import parse_registry

    registry = parse_registry(REGISTRY.read_text(encoding="utf-8"), where=REGISTRY.name)
    try:
        rates = rates_beside(file, funding) if funding else None
        return study(file, rates, registry, settings, _say, with_future if leak else None)
    except (ValueError, CannotTrain) as error:
        return str(error)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _files(source: Path, only: Sequence[str]) -> list[Path]:
    """The files of candles that are asked for.

    Raises:
        UserError: when there is none.
    """
    from connectors.recorded.tables import named
    from connectors.recorded.venue import RecordingError

    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if source.is_file():
        return [source]
    found = []
    for file in sorted(source.iterdir()):
        try:
            symbol = named(file.name).symbol
        except RecordingError:
            continue
        if not only or symbol in only:
            found.append(file)
    if not found:
        wanted = f" of {', '.join(only)}" if only else ""
        raise UserError(f"{source}: no file of candles{wanted} in it, such as BTCUSDT_5m.csv.gz")
    return found


def _settings(questions: Sequence[str], units: int, train: int, embargo: int) -> "Settings":
    from learning.study import Question, Settings

    try:
        asked = [
            Question(int(seconds), float(limit)) for seconds, _, limit in (one.partition(":") for one in questions)
        ]
        settings = Settings(units=units, train=train, embargo=embargo)
    except ValueError as error:
        raise UserError(f"--question, --units or --train: {error}") from None
    return msgspec.structs.replace(settings, questions=tuple(asked)) if asked else settings


def _result(found: Sequence[dict[str, Any]], settings: "Settings") -> dict[str, Any]:
    from learning.study import corrected

    return {"form": 1, "level": settings.level, "studies": list(found), "tests": corrected(found)}


def _write(result: dict[str, Any], folder: Path) -> None:
    from reports.study import study_page

    (folder / RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    (folder / PAGE).write_text(study_page(result), encoding="utf-8")


def _table(result: dict[str, Any]) -> Iterator[str]:
    """The figures as a table in Markdown."""
    from reports.study import MODELS, TESTED, by_place, spread

    yield f"| {' | '.join(HEADS)} |"
    yield "|" + "---|" * len(HEADS)
    tests = by_place(result["tests"])
    for one in result["studies"]:
        for question in one["questions"]:
            for model, told in question["models"].items():
                figures = [spread(told["summary"][name], 3) for name in SHOWN]
                places = [(metric, one["file"], question["horizon"], model) for metric in TESTED]
                against = [cell for place in places for cell in _against(tests.get(place), result["level"])]
                row = [one["file"], f"{question['horizon']} s", MODELS[model], *figures, *against]
                yield f"| {' | '.join(row)} |"


def _against(test: Mapping[str, Any] | None, level: float) -> tuple[str, str, str]:
    """Difference, p and verdict."""
    from reports.study import verdict

    if test is None or test["mean"] is None:
        return "", "", ""
    p = "–" if test["p_holm"] is None else f"{test['p_holm']:.3f}"
    return f"{test['mean']:+.3f}", p, verdict(test, level)
