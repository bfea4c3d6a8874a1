"""The strategies' files: what ships is right, and what is wrong is named, all of it at once."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors.strategies import StrategiesError, every_field, load
from schemas.strategy import Strategy

CONFIG = Path(__file__).parents[2] / "config" / "strategies"


@pytest.fixture
def folder(tmp_path):
    """Writes files given as name=text and answers with their folder."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def problems(folder: Path) -> list[str]:
    with pytest.raises(StrategiesError) as caught:
        load(folder)
    for problem in caught.value.problems:
        assert problem in str(caught.value)
    return caught.value.problems


@pytest.mark.req("MS-FR-018", "MS-FR-011")
def test_the_strategies_that_ship_are_right():
    """Three, by name, over two symbols; each as good on the log as in its file."""
    found = load(CONFIG)

    assert [strategy.strategy for strategy in found] == ["meanrev_v1", "momentum_v1", "random_v1"]
    assert all(strategy.symbols == ("BTCUSDT", "ETHUSDT") for strategy in found)
    assert found[2].warmup.randomness == 1.0
    assert [msgspec.json.decode(msgspec.json.encode(strategy), type=Strategy) for strategy in found] == found


def test_what_a_file_does_not_say_has_its_default(folder):
    (strategy,) = load(folder(a="strategy: a\nsymbols: [BTCUSDT]\nwarmup: {frequency: 6}\n"))

    assert strategy == msgspec.convert({"strategy": "a", "symbols": ["BTCUSDT"], "warmup": {"frequency": 6}}, Strategy)
    assert strategy.warmup.max_amount == 1000.0


def test_every_problem_of_every_file_is_named_at_once(folder):
    """By file, strategy and field, with what stands there."""
    found = problems(
        folder(
            a="strategy: a\nsymbols: [BTCUSDT, eth]\nwarmup: {frequency: 0, randomness: '1'}\nrate: 5\n",
            b="strategy: b\ndata: {max_age: .nan}\nexits: {stop_loss: {percent: 2}}\n",
            c="- a list",
            d="strategy: [",
            e="",
        )
    )

    assert found[:6] == [
        "a.yaml, strategy a: symbols[1]: expected `str` matching regex '^[A-Z0-9]{4,20}$', found ['BTCUSDT', 'eth']",
        "a.yaml, strategy a: warmup.frequency: expected `float` > 0.0, found 0",
        "a.yaml, strategy a: warmup.randomness: expected `float`, got `str`, found '1'",
        "a.yaml, strategy a: rate: must be a mapping, not 5",
        "b.yaml, strategy b: symbols: is missing",
        "b.yaml, strategy b: data.max_age: nan is no number",
    ]
    assert re.fullmatch(r"b.yaml, strategy b: exits.stop_loss.percent: expected `float` < .*, found 2", found[6])
    assert found[7] == "c.yaml: must be a mapping with strategy and symbols, not list"
    assert found[8].startswith("d.yaml: not readable as YAML: ")
    assert found[9] == "e.yaml: must be a mapping with strategy and symbols, not NoneType"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("enable: true", "enable: unknown field; did you mean enabled?"),
        ("warmup: {frequenzy: 1}", "warmup.frequenzy: unknown field; did you mean warmup.frequency?"),
        ("burst: 3", "burst: unknown field; did you mean rate.burst?"),
        ("max_age: 3", "max_age: unknown field; did you mean balance.max_age or data.max_age?"),
        ("rate: {zzz: 1}", "rate.zzz: unknown field; known are per_minute, burst"),
        ("1: 2", "1: unknown field; known are strategy, symbols"),
    ],
)
def test_an_unknown_field_suggests_the_one_that_was_meant(folder, text, said):
    (found,) = problems(folder(a=f"strategy: a\nsymbols: [BTCUSDT]\n{text}\n"))

    assert found.startswith(f"a.yaml, strategy a: {said}")


def test_all_contradictions_are_named(folder):
    text = "strategy: a\nsymbols: [BTCUSDT, BTCUSDT]\nwarmup: {min_amount: 9, max_amount: 8}\ndata: {warn_age: 99}\n"

    assert problems(folder(a=text)) == [
        "a.yaml, strategy a: warmup.max_amount is below warmup.min_amount",
        "a.yaml, strategy a: data.warn_age is not below data.max_age",
        "a.yaml, strategy a: symbols names one twice",
    ]


def test_a_name_may_be_used_once(folder):
    text = "strategy: same\nsymbols: [BTCUSDT]\n"

    assert problems(folder(a=text, b=text)) == ["b.yaml, strategy same: strategy: a.yaml has the same name"]


def test_a_key_that_stands_twice_is_refused(folder):
    """YAML would take the last one and say nothing."""
    (found,) = problems(folder(a="strategy: a\nsymbols: [BTCUSDT]\nrate: {burst: 1, burst: 2}\n"))

    assert "burst stands twice" in found and "line 3" in found


def test_a_folder_without_strategies_is_a_problem(tmp_path):
    assert problems(tmp_path) == ["there is no strategy: put a file such as momentum_v1.yaml there"]
    assert problems(tmp_path / "missing")


def test_bytes_that_are_no_text_are_a_problem(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xff")

    assert re.match("a.yaml: not readable as YAML: ", problems(tmp_path)[0])


NAMES = st.sampled_from([name.split(".")[-1] for name in every_field(Strategy)] + ["strategi", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5) | st.just("BTCUSDT"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_whatever_stands_in_a_file_it_is_taken_or_refused_with_a_reason(tmp_path_factory, data):
    """And what is taken is what msgspec takes."""
    data = {"strategy": "a", "symbols": ["BTCUSDT"]} | data
    folder = tmp_path_factory.mktemp("strategies")
    (folder / "a.yaml").write_text(yaml.safe_dump(data))
    try:
        expected = [msgspec.convert(data, Strategy)]
    except (msgspec.ValidationError, ValueError):
        expected = None

    if expected is None:
        assert problems(folder)
    else:
        assert load(folder) == expected
