"""What a report says changed, against an account of it by brute force."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.registries.compare import Comparison, compare, gathered
from learning.registries.scripts import ScriptError, check, renames_of
from operators.features import FEATURES
from operators.registry import Registry, parse_registry
from operators.spans import parse_span
from tests.registry.conftest import Config, config, edited, entry

NAMES = ("mid_price", "vwap_3s", "vwap_15s", "volume_3s", "rsi_14", "RSI_14", "ema_9", "funding_rate", "returns_1m")
NORMALISATIONS: tuple[Any, ...] = (
    None,
    {"type": "none"},
    {"type": "z_score", "mean": 1.0, "std": 2.0},
    {"type": "min_max", "min": 1.0, "max": 2.0},
)


@st.composite
def entries(draw: st.DrawFn, name: str) -> Config:
    """A feature of the catalogue, or its formula under another name; with or without what may be changed."""
    made = entry(name)
    feature = FEATURES[name]
    if draw(st.booleans()):
        made |= {"formula": feature.formula.name, "params": dict(feature.params)}
        made["name"] = draw(st.sampled_from([name, f"{name}_new", "other", "another"]))
    if draw(st.booleans()):
        made["lookback_window"] = draw(st.sampled_from(["2d", "36h", made["lookback_window"]]))
    if normalisation := draw(st.sampled_from(NORMALISATIONS)):
        made["normalization"] = normalisation
    if draw(st.booleans()):
        made["input_sources"] = draw(st.permutations(made["input_sources"]))
    if draw(st.integers(0, 5)) == 0 and "ticker" not in made["input_sources"]:
        made["input_sources"] = [*made["input_sources"], "ticker"]
        made["data_sources"] = [*made["data_sources"], {"source": "ticker", "timestamp_required": True}]
    return made


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A registry whose names are unique."""
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=7))
    made = {one["name"]: one for one in (draw(entries(name)) for name in chosen)}
    return {"version": draw(st.sampled_from(["1", "2"])), "features": list(made.values())}


def facts(one: Config) -> dict[str, Any]:
    """What counts of an entry, straight from the file."""
    if "formula" in one:
        name, params = one["formula"], one["params"]
    else:
        name, params = FEATURES[one["name"]].formula.name, FEATURES[one["name"]].params
    shape = one.get("normalization") or {"type": "none"}
    return {
        "formula": (name, tuple(sorted(params.items()))),
        "lookback_window": parse_span(one["lookback_window"]),
        "input_sources": frozenset(one["input_sources"]),
        "normalization": tuple(sorted(shape.items())),
    }


def by_name(given: Config) -> dict[str, dict[str, Any]]:
    return {one["name"]: facts(one) for one in given["features"]}


def whole(one: dict[str, Any]) -> Any:
    return tuple(one.values())


def the_same(pairs: int, old: list[Any], new: list[Any]) -> bool:
    """Whether so many pairs are as many as can be made of equal ones."""
    return pairs == sum((Counter(old) & Counter(new)).values())


@pytest.mark.req("FS-FR-065")
@given(configs(), configs())
def test_a_report_says_exactly_what_changed(first: Config, second: Config) -> None:
    """Names that went and came are paired as often as their formulas allow, exact twins first."""
    found = compare(parse_registry(first), parse_registry(second))
    old, new = by_name(first), by_name(second)
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]

    renamed = dict(found.renamed)
    assert sorted([*found.removed, *renamed]) == sorted(gone)
    assert sorted([*found.added, *renamed.values()]) == sorted(come)
    assert len(set(renamed.values())) == len(renamed)
    assert all(old[was]["formula"] == new[now]["formula"] for was, now in renamed.items())
    assert the_same(len(renamed), [old[name]["formula"] for name in gone], [new[name]["formula"] for name in come])
    twins = sum(whole(old[was]) == whole(new[now]) for was, now in renamed.items())
    assert the_same(twins, [whole(old[name]) for name in gone], [whole(new[name]) for name in come])

    pairs = [(name, name) for name in old if name in new] + list(renamed.items())
    differing = {(now, field) for was, now in pairs for field in old[was] if old[was][field] != new[now][field]}
    assert {(one.feature, one.field) for one in found.changed} == differing
    assert bool(found.breaking) == bool(gone or differing)


@given(configs())
def test_a_registry_is_like_itself_however_its_file_is_written(given: Config) -> None:
    other = {**given, "features": [{**one, "input_sources": one["input_sources"][::-1]} for one in given["features"]]}

    found = compare(parse_registry(given), parse_registry(other))
    assert found == Comparison(given["version"], given["version"])
    assert found.breaking == found.warnings == []
    assert found.same_names


@given(configs(), configs())
def test_what_is_removed_one_way_is_added_the_other_way(first: Config, second: Config) -> None:
    one, two = parse_registry(first), parse_registry(second)
    there, back = compare(one, two), compare(two, one)

    assert (len(there.removed), len(there.added)) == (len(back.added), len(back.removed))
    assert len(there.renamed) == len(back.renamed)
    assert (there.read, there.unread) == (back.unread, back.read)
    assert there.same_names == back.same_names


def report(before: Config, after: Config, **renames: str) -> Comparison:
    return compare(parse_registry(before), parse_registry(after), renames)


@pytest.mark.req("FS-FR-065")
def test_every_kind_of_breaking_change_is_named_with_what_it_was_and_is() -> None:
    before = config("1", "mid_price", "vwap_3s", "rsi_14", "volume_3s")
    after = config("2", "vwap_3s", "volume_3s", "returns_5m")
    after["features"].append(entry("rsi_14", name="strength", formula="rsi", params={"n": 14}))
    after = edited(after, "vwap_3s", lookback_window="10s", normalization={"type": "z_score", "mean": 0, "std": 1})
    found = report(before, after)

    assert found.breaking[:3] == [
        "removed: mid_price",
        "renamed: rsi_14 -> strength",
        "changed: vwap_3s: lookback_window 3s -> 10s, normalization none -> ZScore(mean=0.0, std=1.0)",
    ]
    assert "added: returns_5m" in found.warnings
    assert "reads no longer: orderbook" in found.warnings


def test_of_several_with_the_same_formula_twins_are_paired_first() -> None:
    def strength(name: str, window: str) -> Config:
        return entry("rsi_14", name=name, formula="rsi", params={"n": 14}, lookback_window=window)

    before = {"version": "1", "features": [strength("long", "2d"), strength("short", "1d")]}
    after = {"version": "2", "features": [strength("day", "1d"), strength("days", "2d")]}

    assert report(before, after).breaking == ["renamed: long -> days", "renamed: short -> day"]


def test_new_features_and_another_order_break_nothing() -> None:
    found = report(config("1", "mid_price", "vwap_3s"), config("2", "vwap_3s", "mid_price", "rsi_14"))

    assert found.breaking == []
    assert found.warnings == ["added: rsi_14", "the features stand in another order", "reads from now on: kline"]
    assert not found.same_names


def test_a_script_declares_a_rename_that_formulas_do_not_show() -> None:
    before, after = config("1", "vwap_3s"), config("2", "vwap_15s")

    assert report(before, after).breaking == ["removed: vwap_3s"]
    told = report(before, after, vwap_3s="vwap_15s").breaking
    assert told[0] == "renamed: vwap_3s -> vwap_15s"
    assert told[1].startswith("changed: vwap_15s: formula vwap(")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("delete from orders;", "line 1: 'delete from orders;' is not understood"),
        ("\n# fine\nimport os", "line 3"),
        ("rename a to b; drop table c", "is not understood"),
        ("rename a to b\nrename a to c", "line 2: a stands there twice"),
        ("rename a to c\nrename b to c", "line 2: c stands there twice"),
        ("#" * 30_000, "longer than"),
    ],
)
def test_a_script_that_says_anything_else_is_refused(script: str, says: str) -> None:
    with pytest.raises(ScriptError, match=says):
        renames_of(script)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("rename nothing to vwap_15s", "1 has no feature nothing"),
        ("rename vwap_3s to nothing", "2 has no feature nothing"),
        ("rename vwap_3s to mid_price", "mid_price is in both versions"),
        ("rename mid_price to vwap_15s", "mid_price is in both versions"),
    ],
)
def test_a_script_must_fit_the_versions_between_which_it_stands(script: str, says: str) -> None:
    before: Registry = parse_registry(config("1", "vwap_3s", "mid_price"))

    with pytest.raises(ScriptError, match=says):
        check(renames_of(script), before, parse_registry(config("2", "vwap_15s", "mid_price")))


def test_people_read_the_features_that_went_on_one_line() -> None:
    lines = report(config("1", "mid_price", "vwap_3s", "rsi_14"), config("2", "rsi_14")).breaking

    assert lines == ["removed: mid_price", "removed: vwap_3s"]
    assert gathered(lines) == ["removed: mid_price, vwap_3s"]
