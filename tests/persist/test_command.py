"""``lockstep persist`` as it is run: what it needs, how it ends, and the whole way from market data to the tables."""

import signal
from pathlib import Path

import pytest

from tests.installation import Installation, wait_until
from tests.persist.tables import expected, held, rows
from tests.persist.written import SHARDS, create, story, write


def installed(home: Path, url: str) -> Installation:
    """An installation with every topic."""
    installation = Installation(home, url, None, shards=SHARDS)
    log = installation.log()
    create(log)
    log.close()
    return installation


def test_a_database_that_was_not_migrated_says_what_to_do(database_url: str, tmp_path: Path) -> None:
    output = installed(tmp_path / "home", database_url).run("persist", "--until-end", code=4)

    assert "lockstep migrate up" in output
    assert "Traceback" not in output


def test_stores_until_told_to_stop_and_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    """SIGTERM ends it well; a second one beside it is refused by name."""
    installation = installed(tmp_path / "home", url)
    log, told = installation.log(), story(21, 0, 0, 40)
    write(log, told)
    process = installation.start("persist")
    wait_until(lambda: held(url) == expected(told), "everything was stored", process)
    refused = installation.run("persist", "--until-end", code=5)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    more = story(21, 1, 0, 40)
    write(log, more)
    output = installation.run("persist", "--until-end")
    log.close()

    assert "already has a writer: persist/0 pid" in refused
    assert process.returncode == 0, said
    assert held(url) == expected(told + more)
    assert f"stored={len(more)}" in output


@pytest.mark.slow
@pytest.mark.req("TK-MS-06", "TK-MS-07", "MS-FR-013", "MS-SC-007", "MS-US-1.3")
def test_what_the_trading_flow_decides_and_does_is_in_the_tables(url: str, tmp_path: Path) -> None:
    """From the demo exchange through the flow: every record of the log once, with its own id."""
    installation = Installation(tmp_path / "home", url, None, shards=SHARDS)
    installation.run("strategies", "apply")
    installation.run("collect", "--source", "demo", "--seconds", "240", "--speed", "max")
    installation.run("run", "trading", "--until-end")
    installation.run("persist", "--until-end")
    log = installation.log()
    ends = {name: sum(log.end(name, shard) for shard in range(SHARDS)) for name in ("decisions", "signals")}
    log.close()

    assert ends["decisions"] > ends["signals"] > 0
    assert rows(url, "select count(*) from decisions") == [(ends["decisions"],)]
    assert rows(url, "select count(*) from trading_signals") == [(ends["signals"],)]
    assert rows(url, "select * from refused_records") == []
    assert rows(url, "select count(*) > 0 from execution_events") == [(True,)]
    orphans = "select id from decisions where outcome = 'signal' and signal_id not in (select signal_id from"
    assert rows(url, f"{orphans} trading_signals)") == []
