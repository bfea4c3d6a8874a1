"""Feature registries: the shipped files, files of the origin system, and every way to be wrong."""

import copy
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.features import FEATURES, View
from operators.features.featureset import FeatureSet
from operators.registry import MinMax, Registry, RegistryError, ZScore, parse_registry
from operators.spans import HOUR, MINUTE, SECOND

FOLDER = Path(__file__).parents[2] / "config" / "feature_registry"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}

ORIGIN = """
version: "1.0.0"
features:
  - name: "mid_price"
    input_sources: ["orderbook"]
    lookback_window: "0s"
    lookahead_forbidden: true
    max_lookback_days: 0
    data_sources:
      - source: "orderbook"
        timestamp_required: true
  - name: "returns_1s"
    input_sources: ["kline", "ticker"]
    lookback_window: "1s"
    lookahead_forbidden: true
    max_lookback_days: 1
    data_sources:
      - source: "kline"
        timestamp_required: true
      - source: "ticker"
        timestamp_required: true
  - name: "volatility_5m"
    input_sources: ["kline"]
    lookback_window: "5m"
    lookahead_forbidden: true
    data_sources:
      - source: "kline"
        timestamp_required: true
  - name: "funding_rate"
    input_sources: ["funding"]
    lookback_window: "0s"
    lookahead_forbidden: true
    max_lookback_days: 0
    data_sources:
      - source: "funding"
        timestamp_required: true
  - name: "time_of_day_sin"
    input_sources: []
    lookback_window: "0s"
    lookahead_forbidden: true
    max_lookback_days: 0
    data_sources: []
"""


def entry(**changes):
    """A right entry, changed; a value of ``...`` takes the key away."""
    right = {
        "name": "vwap_15s",
        "input_sources": ["trades"],
        "lookback_window": "15s",
        "lookahead_forbidden": True,
        "max_lookback_days": 1,
        "data_sources": [{"source": "trades", "timestamp_required": True}],
    }
    return {key: value for key, value in (right | changes).items() if value is not ...}


def parse(*entries, **top):
    """A registry of these entries."""
    return parse_registry({"version": "1", "features": list(entries)} | top, where="test.yaml")


@pytest.mark.req("FS-FR-043", "FS-FR-044", "FS-FR-045")
@pytest.mark.parametrize("name", FILES)
def test_shipped_registries_are_valid_and_without_warnings(name):
    """Each compiles to its features, in its order."""
    registry = parse_registry(FILES[name].read_text(), where=name)

    assert registry.warnings == ()
    assert FeatureSet.compile(registry).names == tuple(entry.name for entry in registry.entries)


@pytest.mark.req("FS-FR-056", "TK-FS-13", "TK-FS-14", "TK-FS-15", "TK-FS-16")
def test_shipped_registries_hold_what_their_versions_promise():
    """29 features at first, 19 more in 1.1.0; the full one holds every feature there is."""
    sets = {name: FeatureSet.compile(parse_registry(path.read_text())) for name, path in FILES.items()}

    assert {name: (one.version, len(one.names)) for name, one in sets.items()} == {
        "1.0.0": ("1.0.0", 29),
        "1.1.0": ("1.1.0", 48),
        "1.2.0": ("1.2.0", 9),
        "extended": ("extended-1", 59),
        "full": ("full-1", len(FEATURES)),
    }
    assert sets["1.1.0"].names[:29] == sets["1.0.0"].names
    assert set(sets["full"].names) == set(FEATURES)
    assert sets["1.2.0"].sources == {"kline", "ticker", "funding"}
    assert sets["1.1.0"].lookback_us == 1440 * MINUTE + 20 * MINUTE


def test_funding_rate_is_the_settled_one_in_the_minimal_set():
    """1.2.0 has only what can be fetched: settled rates, not the venue's estimates."""
    registry = parse_registry(FILES["1.2.0"].read_text())

    assert {e.name: e.feature.formula.name for e in registry.entries}["funding_rate"] == "funding_rate_settled"


@pytest.mark.req("FS-FR-043")
def test_files_of_the_origin_system_are_valid():
    """Their sources differ from what the formulas read: that is worth a warning, no more."""
    registry = parse_registry(ORIGIN, where="origin.yaml")

    assert [one.name for one in registry.entries] == [
        "mid_price", "returns_1s", "volatility_5m", "funding_rate", "time_of_day_sin",
    ]  # fmt: skip
    assert [str(warning) for warning in registry.warnings] == [
        "returns_1s: input_sources: the formula also reads orderbook, trades"
    ]


NOT_A_NUMBER = {"type": "z_score", "mean": math.nan, "std": 1.0}


@pytest.mark.req("FS-FR-022", "FS-FR-044", "FS-FR-045", "FS-US-5.1", "FS-EC-05")
@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"name": "vwap_16s"}, "name", "no feature is called so"),
        ({"name": 7}, "name", "must be letters"),
        ({"name": ...}, "name", "is missing"),
        ({"input_sources": ...}, "input_sources", "is missing"),
        ({"input_sources": "trades"}, "input_sources", "must be a list"),
        ({"input_sources": ["trade"]}, "input_sources", "'trade' is no source"),
        ({"lookback_window": ...}, "lookback_window", "is missing"),
        ({"lookback_window": "15"}, "lookback_window", "not a whole number followed by"),
        ({"lookback_window": 15}, "lookback_window", "not a whole number followed by"),
        ({"lookback_window": "14s"}, "lookback_window", "is 14s, but the formula needs 15s"),
        ({"lookback_window": "2d"}, "lookback_window", "longer than max_lookback_days (1) allows"),
        ({"max_lookback_days": 0}, "lookback_window", "longer than max_lookback_days (0) allows"),
        ({"max_lookback_days": -1}, "max_lookback_days", "0 or more"),
        ({"max_lookback_days": True}, "max_lookback_days", "0 or more"),
        ({"max_lookback_days": 1.5}, "max_lookback_days", "0 or more"),
        ({"lookahead_forbidden": False}, "lookahead_forbidden", "must be true"),
        ({"lookahead_forbidden": "true"}, "lookahead_forbidden", "must be true"),
        ({"lookahead_forbidden": ...}, "lookahead_forbidden", "is missing"),
        ({"data_sources": ...}, "data_sources", "is missing"),
        ({"data_sources": []}, "data_sources", "must name trades with timestamp_required"),
        ({"data_sources": [{"source": "trades"}]}, "data_sources", "must name trades"),
        ({"data_sources": [{"source": "trades", "timestamp_required": False}]}, "data_sources", "must name trades"),
        ({"data_sources": [*entry()["data_sources"], "trades"]}, "data_sources", "'trades' names no source"),
        ({"order": "first"}, "order", "must be a whole number"),
        ({"normalization": "none"}, "normalization", "type must be"),
        ({"normalization": {"type": "log"}}, "normalization", "type must be"),
        ({"normalization": {"type": "z_score", "mean": 0.0}}, "normalization", "std must be a finite number"),
        ({"normalization": {"type": "z_score", "mean": 0.0, "std": 0}}, "normalization", "std must be greater than 0"),
        ({"normalization": NOT_A_NUMBER}, "normalization", "mean must be a finite number"),
        ({"normalization": {"type": "min_max", "min": 1, "max": 1}}, "normalization", "max must be greater than min"),
        ({"normalization": {"type": "min_max", "min": True, "max": 2}}, "normalization", "min must be a finite"),
        ({"formula": "vwop", "params": {"seconds": 15}}, "formula", "'vwop' is no formula"),
        ({"formula": "vwap"}, "params", "vwap takes {seconds}"),
        ({"formula": "vwap", "params": {"n": 15}}, "params", "vwap takes {seconds}"),
        ({"formula": "vwap", "params": {"seconds": 61}}, "params", "from 1 to 60, not 61"),
        ({"params": {"seconds": 15}}, "params", "needs a formula"),
    ],
)
def test_every_mistake_is_named_with_its_feature_and_field(changes, field, says):
    """One mistake, one problem."""
    with pytest.raises(RegistryError) as refused:
        parse(entry(**changes))

    (problem,) = refused.value.problems
    name = changes.get("name", "vwap_15s")
    assert problem.feature == (name if isinstance(name, str) else "feature 1")
    assert (problem.field, says in problem.message) == (field, True), problem
    assert "test.yaml" in str(refused.value)


@pytest.mark.req("FS-EC-06")
def test_all_mistakes_of_a_file_are_reported_at_once():
    """Nobody should have to load a file once for each mistake."""
    with pytest.raises(RegistryError) as refused:
        parse(entry(lookahead_forbidden=False, order="x"), entry(lookback_window="1s"), "vwap_3s", entry(), version=1.0)

    assert [(problem.feature, problem.field) for problem in refused.value.problems] == [
        ("", "version"),
        ("vwap_15s", "lookahead_forbidden"),
        ("vwap_15s", "order"),
        ("vwap_15s", "lookback_window"),
        ("feature 3", ""),
        ("vwap_15s", "name"),
    ]
    assert "stands 3 times" in refused.value.problems[-1].message


def test_unknown_keys_are_warnings():
    """Files may carry more than we read."""
    registry = parse(entry(owner="quant"), author="me")

    assert [str(warning) for warning in registry.warnings] == [
        "author: unknown key, ignored",
        "vwap_15s: owner: unknown key, ignored",
    ]


@pytest.mark.parametrize("window, valid", [("57m", True), ("1h", True), ("56m", False), ("14m", False)])
def test_a_window_must_hold_what_a_recursive_indicator_needs(window, valid):
    """RSI over 14 reads 4 · 14 + 1 candles."""
    kline = {"input_sources": ["kline"], "data_sources": [{"source": "kline", "timestamp_required": True}]}
    try:
        parse(entry(name="RSI_14", lookback_window=window, **kline))
    except RegistryError as refused:
        assert not valid
        assert "the formula needs 57m" in str(refused)
    else:
        assert valid


def test_a_formula_may_be_given_a_new_name_and_other_parameters():
    """An average over 100 candles, which no built-in name has."""
    kline = {"input_sources": ["kline"], "data_sources": [{"source": "kline", "timestamp_required": True}]}
    registry = parse(entry(name="ema_100", formula="ema", params={"n": 100}, lookback_window="401m", **kline))

    (one,) = registry.entries
    assert (one.feature.need, one.feature.window) == (401, 401 * MINUTE)
    assert FeatureSet.compile(registry).names == ("ema_100",)


def test_order_decides_first_then_the_place_in_the_file():
    """Entries without an order come last."""
    first = entry(name="volume_3s", order=2)
    names = [one.name for one in parse(entry(), first, entry(name="vwap_3s", order=1)).entries]

    assert names == ["vwap_3s", "volume_3s", "vwap_15s"]


@pytest.mark.req("FS-FR-043.1")
def test_normalisation_is_applied_after_the_computation():
    """z-score and min-max, not clipped; an absent value stays absent."""
    book = {"input_sources": ["orderbook"], "lookback_window": "0s", "max_lookback_days": 0,
            "data_sources": [{"source": "orderbook", "timestamp_required": True}]}  # fmt: skip
    registry = parse(
        entry(name="mid_price", normalization={"type": "z_score", "mean": 90, "std": 4.0}, **book),
        entry(name="spread_abs", normalization={"type": "min_max", "min": 0.0, "max": 1.0}, **book),
        entry(name="depth_bid_top5", normalization={"type": "none"}, **book),
    )

    got = FeatureSet.compile(registry).compute(View(SECOND, [(99.0, 7.0)], [(101.0, 1.0)]))

    assert got == {"mid_price": 2.5, "spread_abs": 2.0, "depth_bid_top5": 7.0}
    assert FeatureSet.compile(registry).compute(View(SECOND)) == dict.fromkeys(got)
    assert [one.normalise for one in registry.entries] == [ZScore(90.0, 4.0), MinMax(0.0, 1.0), None]


def test_the_look_back_of_a_set_is_its_longest():
    """How far back a replay must begin."""
    kline = {"input_sources": ["kline"], "data_sources": [{"source": "kline", "timestamp_required": True}]}

    assert FeatureSet.compile(parse(entry())).lookback_us == 15 * SECOND
    assert FeatureSet.compile(parse(entry(), entry(name="EMA_20", lookback_window="2h", **kline))).lookback_us > HOUR


@pytest.mark.parametrize(
    "text",
    ["", "[]", "version: '1'", "features: 1", "a: [", "a: &a [*a]\nb: !!int ''", "!!bool x", "!!timestamp x", "\0",
     "x: 2024-99-99", "{[1]: 2}", "- " * 3000, "version: '1'\nfeatures: {}", "0x" + "F" * 5000,
     "version: '1'\nfeatures: [{name: 0x" + "F" * 5000 + "}]", "? {a: 1}\n: 2", "version: \"\\ud800\"\nfeatures: []"],
)  # fmt: skip
def test_unreadable_files_are_refused_in_the_same_way(text):
    """Whatever the YAML reader makes of them."""
    with pytest.raises(RegistryError, match=r"feature registry odd\.yaml has"):
        parse_registry(text, where="odd.yaml")


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["ema", "vwap_3s", "5m", "0s", "kline", "trades", "z_score", {"n": 9}, [], {}, 10**5000]),
)  # fmt: skip


def places(value, path=()):
    """Every place inside nested lists and mappings."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_mutation_of_a_valid_file_is_valid_or_refused(data):
    """Never another error, and what is valid compiles and computes."""
    documents = [yaml.safe_load(ORIGIN), {"version": "1", "features": [
        entry(normalization={"type": "z_score", "mean": 1.0, "std": 2.0}),
        entry(name="ema_100", formula="ema", params={"n": 5}, lookback_window="21m", order=3),
    ]}]  # fmt: skip
    document = copy.deepcopy(data.draw(st.sampled_from(documents)))
    for _ in range(data.draw(st.integers(1, 4))):
        *path, last = data.draw(st.sampled_from([path for path in places(document) if path]))
        inner = document
        for key in path:
            inner = inner[key]
        action = data.draw(st.sampled_from(["replace", "remove", "add", "double"]))
        if action == "remove":
            del inner[last]
        elif action == "double" and isinstance(inner, list):
            inner.append(inner[last])
        elif action == "add" and isinstance(inner, dict):
            inner[data.draw(st.one_of(st.text(max_size=3), st.integers(), st.sampled_from(["order", "params"])))] = 1
        else:
            inner[last] = copy.deepcopy(data.draw(SCALARS))
        if not any(places(document)):
            break
    try:
        registry = parse_registry(document)
    except RegistryError as refused:
        assert refused.problems
    else:
        assert isinstance(registry, Registry)
        values = FeatureSet.compile(registry).compute(View(SECOND, [(1.0, 1.0)], [(2.0, 1.0)]))
        assert list(values) == [one.name for one in registry.entries]
