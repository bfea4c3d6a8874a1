"""What a run is asked for: settings and options, what is refused, whose log it uses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import sessions
from cli.context import Context, UserError
from cli.main import build
from cli.plan import Plan, parse_symbols, plan
from cli.settings import read_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("SOURCE", "SPEED", "FLOW", "DURATION", "SYMBOLS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def planned(**said: object) -> Plan:
    options = {"source": None, "symbols": None, "speed": None, "flow": None, "processes": 1, "duration": None} | said
    return plan(read_settings(), **options)  # type: ignore[arg-type]


def test_settings_hold_where_the_command_line_says_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned() == Plan("demo", ("BTCUSDT", "ETHUSDT"), 1.0, planned().flow, 1, 0.0)
    for name, value in {"SOURCE": "bybit", "SPEED": "max", "DURATION": "60", "SYMBOLS": "A1,B2"}.items():
        monkeypatch.setenv(name, value)

    assert planned() == Plan("bybit", ("A1", "B2"), None, planned().flow, 1, 60.0)
    said = planned(source="demo", symbols="c3", speed="10", processes=2, duration=0.0)
    assert said == Plan("demo", ("C3",), 10.0, said.flow, 2, 0.0)


@pytest.mark.parametrize("speed", ["0", "-1", "abc", "nan", "inf", "1e9", ""])
def test_an_impossible_speed_is_refused(folder: Path, speed: str) -> None:
    with pytest.raises(UserError, match=f"SPEED={speed}: say a number above 0") as refused:
        planned(speed=speed)

    assert refused.value.exit_code == 2


@pytest.mark.parametrize("symbols", ["BTC USDT", "BTCUSDT,", ",", "BTC/USDT", "X" * 40])
def test_what_is_no_symbol_is_refused(symbols: str) -> None:
    with pytest.raises(UserError, match="is no symbol") as refused:
        parse_symbols(symbols)

    assert refused.value.exit_code == 2


def test_an_unknown_flow_and_a_negative_duration_are_refused() -> None:
    for options in (["--flow", "nonsense"], ["--duration", "-1"], ["--processes", "0"]):
        done = CliRunner().invoke(build("run-dataflow"), ["run-dataflow", *options])
        assert done.exit_code == 2
        assert options[0] in done.stderr


def test_recordings_and_exchanges_never_share_a_log(folder: Path) -> None:
    """A recording begins its log anew, so one that is called ``bybit`` must not empty the log of the exchange."""
    for name in ("bybit", "demo", "main"):
        (folder / name).mkdir()
    live = [planned(source="demo"), planned(source="bybit")]
    anew = [planned(source="demo", speed="max"), planned(source="demo", speed="10")]
    recorded = [Plan(str(folder / name), (), 1.0, live[0].flow) for name in ("bybit", "demo", "main")]

    assert not any(one.begins_anew for one in live)
    assert all(one.begins_anew for one in anew + recorded)
    assert not {one.session for one in live} & {one.session for one in anew + recorded}
    assert len({one.session for one in live + recorded} | {sessions.FIRST}) == 6


def test_a_session_that_begins_anew_is_empty_and_the_others_stay(folder: Path) -> None:
    for name in ("one", "two"):
        (sessions.choose(folder, name) / "kept").touch()
    emptied = sessions.choose(folder, "one", fresh=True)

    assert sessions.current(folder) == emptied == folder / "sessions" / "one"
    assert not list(emptied.iterdir())
    assert (sessions.choose(folder, "two") / "kept").exists()


def test_the_session_of_a_new_home_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb before the first run finds an empty log, not an error."""
    monkeypatch.setenv("LOCKSTEP_HOME", str(folder / "new"))
    with Context() as context:
        assert context.session == folder / "new" / "sessions" / sessions.FIRST
        assert context.session.is_dir()
