"""Pages: whole, escaped, free of the network, the same bytes each time."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.catalogue import CATALOGUE
from reports.chart import Scale, panel, time_labels, value_labels
from reports.page import comparison, tearsheet
from reports.payments import Payment
from reports.reasons import Reasons
from reports.result import Material, result
from schemas.decision import Decision
from schemas.origin import Origin
from tests.reports.made import SECOND, START, Fill, bar, bar_lists, executed, fill_lists

END = START + 3005 * SECOND
VOID = {"meta"}
EVIL = """<script>alert("x")</script>'&"""


def facts(**changes):
    shard = {"shard": 0, "from": 10, "to": 20, "warm": 0, "first": START, "last": END}
    return {
        "run": "a1b2",
        "source": "topic events",
        "begins": START,
        "ends": END,
        "events": 10,
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "account": {"kind": "paper", "cash": 10_000.0},
        "code": {"version": "0.1.0", "digest": "c0de"},
        "registry": {"version": "1.0.0", "digest": "4e9"},
        "models": [],
        "digests": {"decisions": "d1"},
        "quality": {"gap": 3},
        "shards": [shard],
        "strategies": [{"strategy": "calm", "about": "slow", "exits": {"time": {"enabled": True}}}],
        "strategies_from": "the log",
    } | changes


def run(fills=(), bars=(), **changes):
    step = Decision("calm", "BTCUSDT", START, "entry", "skip", "rate", "too soon", {}, "trace", Origin(0, 1, 0))
    made = Material(START, END, 10_000.0, ["BTCUSDT", "ETHUSDT"], executed(fills), list(bars))
    made.payments, made.reasons = [Payment("BTCUSDT", START + SECOND, -1.0)], Reasons.of([step])
    return result(made, facts(**changes))


class Page(HTMLParser):
    """Checks that elements nest, and keeps texts, attributes and rows."""

    def __init__(self, html):
        super().__init__()
        self.open, self.texts, self.attributes, self.tags = [], [], [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


FILLS = [
    Fill(10, "buy", 2.0, 100.0, 0.5, signal="in", signal_price=99.5),
    Fill(40, "sell", 2.0, 104.0, 0.5, signal="out", signal_price=104.0, kind="exit"),
]


def test_a_tearsheet_shows_what_the_result_holds():
    found = run(FILLS, [bar(5, 99.0, 101.0, 100.0), bar(30, 98.0, 106.0, 105.0)])

    page = Page(tearsheet(found))

    for expected in ["Backtest a1b2", "BTCUSDT", "rate", "d1", "c0de", "1.0.0", "gap 3", "6.000", "2.000"]:
        assert expected in page.text, expected
    for metric in CATALOGUE:
        assert metric.label in page.text, metric
    assert page.tags.count("tr") > 10
    assert sum(name == "class" and value in ("buy", "sell exit") for _, name, value in page.attributes) == 2


@settings(max_examples=25, deadline=None)
@given(fill_lists(), bar_lists())
def test_every_result_has_a_page_with_only_numbers_in_its_charts(fills, bars):
    html = tearsheet(run(fills, bars))

    page = Page(html)
    for _, name, value in page.attributes:
        if name in ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height"):
            assert not re.search("nan|inf|None", value or "", re.IGNORECASE), (name, value)


def test_nothing_is_fetched_and_the_bytes_are_always_the_same():
    html = tearsheet(run(FILLS))

    assert not re.search(r"""\b(src=|href=|url\(|@import|https?:)""", html)
    assert "default-src 'none'" in html
    assert html == tearsheet(run(FILLS))


def test_whatever_the_log_says_is_text_and_not_markup():
    fill = Fill(10, "buy", 1.0, 10.0, strategy=EVIL, symbol="BTCUSDT", signal=EVIL)
    found = run([fill], run=EVIL, source=EVIL, strategies=[{"strategy": EVIL, "about": EVIL}], quality={EVIL: 1})

    for html in (tearsheet(found), comparison([found, found], [EVIL, "b"])):
        page = Page(html)

        assert 'alert("x")' not in html
        assert EVIL in page.text or EVIL in " ".join(page.texts)
        assert page.tags.count("script") <= 1


def test_a_comparison_shows_differences_and_the_best():
    first, second = run(FILLS), run([FILLS[0]], registry={"version": "1.1.0", "digest": "4e9"}, run="c3d4")

    page = Page(comparison([first, second], ["first", "second"]))

    assert "registry.version 1.0.0 1.1.0" in page.text
    assert "registry.digest" not in page.text
    assert ("td", "class", "best") in page.attributes


@pytest.mark.parametrize("reason", ["no losing round trip", "fewer than two"])
def test_a_figure_that_is_not_known_says_why(reason):
    found = run(FILLS)
    found["metrics"]["sharpe"], found["missing"]["sharpe"] = None, "fewer than two sampling periods"

    assert reason in Page(tearsheet(found)).text


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_value_labels_are_few_round_and_inside(low, span):
    scale = Scale(low, low + span, 200, 10)

    labels = value_labels(scale)

    assert len(labels) <= 12
    assert all(9 <= label.at <= 201 for label in labels)


@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_time_labels_are_few_and_inside(low, span):
    labels = time_labels(Scale(low, low + span, 84, 948))

    assert len(labels) <= 9
    assert all(83 <= label.at <= 949 for label in labels)


def test_a_flat_line_and_an_empty_one_can_be_drawn():
    flat, _, y = panel("flat", [0, 1], [5.0, 5.0], 100)

    assert flat.path == f"M84.0 {y(5.0)}L948.0 {y(5.0)}"
    assert panel("empty", [], [], 100)[0].path == ""
