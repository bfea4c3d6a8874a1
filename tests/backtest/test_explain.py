"""Any signal can be rebuilt from the log, to the byte; a signal that cannot is called out."""

import json
import shutil

import msgspec
import pytest

from connectors.log import NewRecord
from dataflows.digest import records
from schemas.codec import decode_signal, encode
from schemas.origin import HEADER
from tests.backtest.conftest import installation
from tests.backtest.test_backtest import backtest, own_log

pytestmark = pytest.mark.timeout(600)


def signals(log):
    return [decode_signal(record.value) for shard in range(2) for record in records(log, "signals", shard)]


def test_signals_of_a_live_run_are_rebuilt_to_the_byte(paper):
    """Entries and exits, early and late, of both strategies, with the numbers that the log has."""
    found = signals(paper.log())
    chosen = [found[0], found[-1], *[one for one in found if one.kind == "exit"][-1:]]
    for signal in chosen:
        told = json.loads(paper.run("explain", signal.signal_id, "--json"))

        assert told["identical"] == {"decision": True, "signal": True}
        assert told["signal"] == json.loads(encode(signal))
        assert told["decision"]["signal_id"] == signal.signal_id
        (bid, _), (ask, _) = told["bids"][0], told["asks"][0]
        assert (bid + ask) / 2 == signal.snapshot.price
    assert {one.kind for one in chosen} == {"entry", "exit"}


def test_a_person_reads_book_features_gates_and_the_verdict(paper):
    signal = next(one for one in signals(paper.log()) if one.kind == "entry" and one.snapshot.indicators)

    said = paper.run("explain", signal.signal_id)

    for expected in ["Book", "Features used", "Heuristics", "Gates", "rate", "Result", signal.strategy]:
        assert expected in said
    assert said.count("identical to what was recorded") == 2


def test_a_signal_of_a_backtest_from_the_middle_is_rebuilt(paper):
    found = backtest(paper, "--from", "4000", "--strategy", "bold")
    signal = signals(own_log(paper, found))[-1]

    told = json.loads(paper.run("explain", signal.signal_id, "--run", found["run"], "--json"))

    assert told["identical"] == {"decision": True, "signal": True}


def test_a_signal_that_the_log_does_not_bear_out_is_called_out(paper, tmp_path):
    """Somebody wrote another amount onto the topic: exit 1."""
    home = installation(tmp_path)
    shutil.copytree(paper.home, home.home, symlinks=True)
    log = home.log()
    signal = signals(log)[-1]
    forged = msgspec.structs.replace(signal, amount=signal.amount + 1, signal_id="forged")
    headers = ((HEADER, forged.origin.header()),)
    log.append("signals", forged.origin.shard, [NewRecord(b"X", encode(forged), forged.ts, headers)])
    log.close()

    said = home.run("explain", "forged", code=1)

    assert "signal: NOT what was recorded" in said


def test_a_signal_of_another_registry_names_the_registry(paper, monkeypatch):
    signal = signals(paper.log())[0]
    monkeypatch.setitem(paper.settings, "LOCKSTEP_REGISTRY", "1.0.0")

    assert "made with feature registry full-1; by settings and log 1.0.0 was in force" in paper.run(
        "explain", signal.signal_id, code=4
    )


def test_an_unknown_signal_is_told_in_one_sentence(paper):
    assert "there is no signal nobody on the topic signals" in paper.run("explain", "nobody", code=2)
    assert "there is no backtest neither" in paper.run("explain", "nobody", "--run", "neither", code=2)
