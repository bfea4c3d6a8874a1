"""The live view fits the terminal."""

import pytest
from rich.console import Console

from cli.observe import Seen
from cli.screen import SHOWN, screen, summary
from schemas.origin import Origin
from schemas.vector import FeatureVector

API = "http://127.0.0.1:8080  (X-API-Key: .lockstep/api-key)"


def seen(symbols: int) -> Seen:
    values = dict(
        zip((name for name, *_ in SHOWN), (64998.15, 1.5e-6, -0.0123, 0.00042, 1234.5, -0.12, 100.0), strict=True)
    )
    ts = 1_750_000_000_000_000
    names = [f"COIN{number:02d}" for number in range(symbols)]
    newest = {
        name: FeatureVector(name, ts, ts + 1, ["1s"], values, "full-1", False, [], Origin(0, 7, 0)) for name in names
    }
    return Seen(events=1_234_567, vectors=45_678, events_per_second=98_765.4, vectors_per_second=4_321.0, newest=newest)


def drawn(symbols: int, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(screen(seen(symbols), API, "Ctrl-C ends the run.", width, height))
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 40)])
@pytest.mark.parametrize("symbols", [0, 2, 100])
def test_nothing_is_cut_and_nothing_wraps(symbols: int, width: int, height: int) -> None:
    lines = drawn(symbols, width, height)

    assert len(lines) <= height - 2
    assert all(len(line) <= width for line in lines)
    assert not any("…" in line for line in lines)
    assert API in "".join(lines)


def test_many_symbols_are_counted_where_they_have_no_room() -> None:
    lines = drawn(100, 100, 30)
    shown = [line for line in lines if line.startswith("COIN")]

    assert len(shown) > 10
    assert f"and {100 - len(shown)} symbols more" in lines
    assert not any("more" in line for line in drawn(2, 100, 30))


def test_values_are_scaled_to_what_the_heading_says() -> None:
    """Basis points, per cent; the time is UTC."""
    row = next(line for line in drawn(1, 160, 40) if line.startswith("COIN00"))

    assert " ".join(row.split()) == "COIN00 15:06:40 64998.15 0.015 -1.230 0.0420 1234.5 -0.12 100.0 7/7 no"


def test_the_summary_says_what_happened_and_what_to_type_next() -> None:
    said = summary(seen(2), "/home/sessions/demo", 3, ".venv/bin/lockstep")

    assert "Done: 1,234,567 events -> 45,678 feature vectors of 2 symbols." in said
    assert "3 restarts." in said
    assert "/home/sessions/demo\n" in said
    assert ".venv/bin/lockstep log tail features" in said
