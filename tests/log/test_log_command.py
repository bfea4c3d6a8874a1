"""``lockstep log``: what it prints, for people and for machines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli import log as command
from connectors.log import Log, NewRecord, open_log
from tests.log.home import SOME_TIME, Home, read_all, record

Run = Callable[..., Result]


@pytest.fixture
def log(embedded: Home) -> Log:
    """Two topics: trades with a second between them on shard 1, and a compacted one."""
    one = embedded.open()
    one.create("events", 2)
    one.create("models", 1, cleanup="compact", retention_ms=None)
    rows = [
        NewRecord(b"BTCUSDT", b'{"type":"trade","n":%d}' % n, SOME_TIME + n * 1_000_000, (("origin", b"1/%d/0" % n),))
        for n in range(121)
    ]
    one.append("events", 1, rows)
    return one


@pytest.fixture
def run(embedded: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``lockstep log`` on the embedded log of the test."""

    class Context:
        def __enter__(self) -> "Context":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def open_log(self) -> Log:
            return open_log(None, embedded.root)

    monkeypatch.setattr(command, "Context", Context)
    return lambda *words: CliRunner().invoke(command.app, list(words), catch_exceptions=False)


def lines(result: Result) -> list[object]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_ls_lists_topics(run: Run) -> None:
    found = json.loads(run("ls", "--json").output)

    assert [(row["topic"], row["shards"], row["records"], row["cleanup"]) for row in found] == [
        ("events", 2, 121, "delete"),
        ("models", 1, 0, "compact"),
    ]
    assert found[0]["bytes"] > 0
    table = run("ls").output
    assert "events" in table
    assert "compact" in table


def test_describe_shows_offsets_times_and_rate(run: Run) -> None:
    """One record a second in the last minute; an empty shard has no times."""
    empty, full = json.loads(run("describe", "events", "--json").output)

    assert empty == {
        "shard": 0, "start": 0, "end": 0, "first_timestamp": None, "last_timestamp": None, "rate": None,
    }  # fmt: skip
    assert full == {
        "shard": 1, "start": 0, "end": 121, "first_timestamp": SOME_TIME,
        "last_timestamp": SOME_TIME + 120_000_000, "rate": 1.0,
    }  # fmt: skip
    assert "2023-11-14 22:13:20.000" in run("describe", "events").output


def test_tail_prints_the_last_values_as_json_lines(run: Run) -> None:
    assert lines(run("tail", "events")) == [{"type": "trade", "n": n} for n in range(111, 121)]
    assert lines(run("tail", "events", "--shard", "1", "-n", "2")) == [{"type": "trade", "n": n} for n in (119, 120)]
    assert lines(run("tail", "events", "--shard", "0")) == []


def test_tail_starts_where_it_is_told(run: Run) -> None:
    def numbers(*words: str) -> list[int]:
        return [value["n"] for value in lines(run("tail", "events", *words))]  # type: ignore[index]

    assert numbers("--from", "beginning", "-n", "3") == [0, 1, 2]
    assert numbers("--from", "118", "--shard", "1") == [118, 119, 120]
    assert numbers("--from", "end") == []
    assert len(numbers("--from", "beginning")) == 121


def test_tail_with_meta_tells_everything(run: Run) -> None:
    (found,) = lines(run("tail", "events", "-n", "1", "--meta"))

    assert found == {
        "shard": 1, "offset": 120, "timestamp": SOME_TIME + 120_000_000, "key": "BTCUSDT",
        "headers": [["origin", "1/120/0"]], "value": {"type": "trade", "n": 120},
    }  # fmt: skip


def test_tail_prints_what_is_no_json_as_text(run: Run, log: Log) -> None:
    """Also bytes that are no text, and deletions."""
    log.append("models", 0, [record(b"plain"), record(b"\xff{"), record(None), record(b'"quoted"')])

    assert lines(run("tail", "models")) == ["plain", "\\xff{", None, "quoted"]


def test_tail_follows(run: Run, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until Ctrl-C, here pressed after three waits; what is appended meanwhile is printed, from every shard."""
    from connectors.log.sqlite_reader import SqliteReader

    calls = iter(range(100))

    def wait(self: SqliteReader, timeout: float) -> bool:
        turn = next(calls)
        if turn == 0:
            log.append("events", 0, [record(b"1")])
        if turn == 1:
            log.append("events", 1, [record(b"2")])
        if turn == 4:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(SqliteReader, "wait", wait)

    assert lines(run("tail", "events", "--from", "end", "--follow")) == [1, 2]


def test_a_start_that_is_none_is_refused(run: Run) -> None:
    with pytest.raises(command.UserError, match="--from yesterday: use an offset, beginning or end"):
        run("tail", "events", "--from", "yesterday")


def test_copy_moves_a_topic_and_tells_what_it_did(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "copy"

    (empty, full) = json.loads(run("copy", "events", "--to-sqlite", str(target), "--json").output)
    again = run("copy", "events", "models", "--to-sqlite", str(target)).output

    assert empty == {"topic": "events", "shard": 0, "first": 0, "end": 0, "records": 0}
    assert full == {"topic": "events", "shard": 1, "first": 0, "end": 121, "records": 121}
    assert again.splitlines()[1] == "events, shard 1: 0 records from offset 121 on"
    log = open_log(None, target)
    assert len(read_all(log, "events", 1)) == 121
    log.close()


def test_copy_wants_one_target(run: Run) -> None:
    for words in ([], ["--to-kafka", "localhost:1", "--to-sqlite", "x"]):
        with pytest.raises(command.UserError, match="either --to-kafka BOOTSTRAP or --to-sqlite DIR"):
            run("copy", "events", *words)


@pytest.mark.kafka
def test_copy_moves_to_kafka(run: Run, log: Log, cluster: Home) -> None:
    topic = cluster.topic()
    log.create(topic, 1)
    log.append(topic, 0, [record(b"%d" % n) for n in range(10)])

    result = run("copy", topic, "--to-kafka", cluster.bootstrap)

    assert result.output == f"{topic}, shard 0: 10 records from offset 0 on\n"
    assert [r.value for r in read_all(cluster.open(), topic)] == [b"%d" % n for n in range(10)]


@pytest.mark.parametrize("verb", ["ls", "describe", "tail", "copy"])
def test_every_verb_has_help(run: Run, verb: str) -> None:
    assert "Usage" in run(verb, "--help").output
