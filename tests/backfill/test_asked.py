"""What may be asked for, and which raw types the features of a registry are made of."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.history.kinds import RAW_TYPES, parted
from connectors.history.spans import Span, merged, within, without
from learning.backfill.asked import Unfit, check, needed_types
from operators.registry import Registry, parse_registry

FOLDER = Path(__file__).parents[2] / "config" / "feature_registry"
TODAY = date(2025, 3, 4)
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def shipped(version: str) -> Registry:
    return parse_registry((FOLDER / f"{version}.yaml").read_text())


@pytest.mark.req("TK-FS-17")
@pytest.mark.parametrize(
    ("version", "types"),
    [
        ("1.2.0", ["klines", "funding"]),
        ("1.0.0", list(RAW_TYPES)),
        ("full", list(RAW_TYPES)),
    ],
)
def test_the_types_follow_from_the_sources_of_the_registry(version: str, types: list[str]) -> None:
    found = needed_types(shipped(version))

    assert found == [raw for raw in types if raw in found]
    assert set(found) >= {"klines"}
    if version == "1.2.0":
        assert found == types


@pytest.mark.req("TK-FS-17")
def test_only_what_is_offered_is_fetched_and_the_rest_has_a_reason() -> None:
    wanted = check("BTCUSDT", TODAY, TODAY, None, shipped("full"), TODAY, 90)

    assert {*wanted.data_types} <= {"klines", "funding"}
    assert {"orderbook_snapshots", "orderbook_deltas", "trades"} <= set(wanted.refused)
    assert all("Bybit" in reason for reason in wanted.refused.values())
    assert parted(RAW_TYPES)[0] == ["klines", "funding"]


def test_a_registry_of_the_book_alone_leaves_nothing_to_fetch() -> None:
    book = parse_registry(
        {
            "version": "book",
            "features": [
                {
                    "name": "mid_price", "input_sources": ["orderbook"], "lookback_window": "0s",
                    "lookahead_forbidden": True, "data_sources": [{"source": "orderbook", "timestamp_required": True}],
                }
            ],
        }
    )  # fmt: skip

    with pytest.raises(Unfit, match="nothing that feature registry book needs can be fetched"):
        check("BTCUSDT", TODAY, TODAY, None, book, TODAY, 90)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(Unfit) as refused:
        check("x y", date(2025, 3, 9), date(2025, 3, 8), ["gossip"], None, TODAY, 90)

    assert all(word in str(refused.value) for word in ("symbol", "start_date", "future", "gossip"))


@given(wanted=SPANS, taken=SPANS)
def test_spans_are_sets_of_moments(wanted: list[tuple[int, int]], taken: list[tuple[int, int]]) -> None:
    """Union, difference and intersection, against sets of integers."""

    def moments(spans: list[tuple[int, int]] | list[Span]) -> set[int]:
        return {moment for start, end in spans for moment in range(start, end)}

    for made, expected in (
        (merged(wanted), moments(wanted)),
        (without(wanted, taken), moments(wanted) - moments(taken)),
        (within(wanted, (10, 30)), moments(wanted) & set(range(10, 30))),
    ):
        assert moments(made) == expected
        assert all(one.end < two.start for one, two in pairwise(made)), "in order, none touches"
