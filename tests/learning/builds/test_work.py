"""Real builds of a real log: what stands in the row, in the files and on the topic when they are over."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.log import Log, LogUnavailable, open_log
from learning.builds.announce import Announcer
from learning.builds.resplit import resplit
from learning.builds.work import maker
from learning.builds.worker import Worker
from learning.datasets import Span, TimeBased, WalkForward, load_metadata, read_split
from schemas.codec import decode_dataset
from schemas.topics import TOPICS, shard_of
from tests.learning.builds.made import ask, connect, row
from tests.learning.datasets.session import MINUTE, REGISTRY, SHARDS, at

DAY = 86_400_000_000


def registry_of(version: str):
    if version != REGISTRY.version:
        raise LookupError(f"feature registry {version} is not known")
    return REGISTRY


@pytest.fixture
def own_log(tmp_path: Path):
    """An empty log, for what is told of builds."""
    log = open_log(None, tmp_path / "log")
    for topic in TOPICS:
        log.create(topic.name, SHARDS)
    yield log
    log.close()


def told(log: Log) -> list:
    """What stands on ``datasets``, shard by shard."""
    records = [log.reader("datasets", shard, 0).poll(100) for shard in range(SHARDS)]
    return [(shard, decode_dataset(one.value or b"")) for shard, found in enumerate(records) for one in found]


@pytest.mark.req("FS-US-2.1", "FS-FR-016", "TK-GR-03")
def test_three_periods_become_a_split_and_word_is_given(url: str, tmp_path: Path, built_log: Log, own_log: Log) -> None:
    """Counts in row, files, metadata and record agree; word is given once, and of a failed build too."""
    dataset = ask(url, tmp_path, symbols=("AAAA",))
    strange = ask(url, tmp_path, symbols=("AAAA",), plan=TimeBased(Span(1, 2), Span(2, 3), Span(3, 4)))
    announce = Announcer(url, own_log, SHARDS)
    Worker(url, maker(built_log, SHARDS, registry_of), announce).run(until_empty=True)
    announce()

    found = row(url, dataset)
    counts = {split: read_split(tmp_path / str(dataset), split).num_rows for split in ("train", "validation", "test")}
    assert found["status"] == "ready"
    assert {split: found[f"{split}_records"] for split in counts} == counts
    assert all(count > 0 for count in counts.values())
    assert found["metadata"]["leakage"] == load_metadata(tmp_path / str(dataset)).leakage
    assert found["metadata"]["build"]["rows"] == sum(counts.values())
    assert (found["metadata"]["feature_registry_version"], found["feature_registry_version"]) == ("few", "few")
    assert row(url, strange)["status"] == "failed"
    assert "the log has no rows for" in row(url, strange)["error_message"]
    ((shard, done), (_, failed)) = told(own_log)
    assert (shard, done.dataset_id, done.status) == (shard_of("AAAA", SHARDS), str(dataset), "ready")
    assert {name: period.rows for name, period in done.splits.items()} == counts
    assert done.downloads["test"] == f"/dataset/{dataset}/download?split=test"
    assert (done.trace_id, done.feature_registry_version) == ("trace-7", "few")
    assert (failed.dataset_id, failed.status, failed.splits) == (str(strange), "failed", {})


@pytest.mark.req("TK-FS-25")
def test_what_a_build_cost_is_stored_with_it(url: str, tmp_path: Path, built_log: Log) -> None:
    """Time by phase, peak memory and rows a second, in the row of the dataset and of the build."""
    dataset = ask(url, tmp_path, symbols=("AAAA",))
    Worker(url, maker(built_log, SHARDS, registry_of, workers=2)).run(until_empty=True)

    with connect(url) as connection:
        ((figures,),) = connection.execute("select figures from dataset_building_metrics").fetchall()
    assert figures == row(url, dataset)["metadata"]["build"]
    assert set(figures["seconds"]) == {"plan", "rows", "check"}
    assert figures["peak_memory_bytes"] > 10_000_000
    assert figures["rows_per_second"] == pytest.approx(figures["rows"] / sum(figures["seconds"].values()), rel=0.1)


def test_word_that_could_not_be_given_is_given_later(url: str, tmp_path: Path, built_log: Log, own_log: Log) -> None:
    """The log was away when the build ended."""

    def away() -> None:
        raise LogUnavailable("the log is away")

    dataset = ask(url, tmp_path)
    with pytest.raises(LogUnavailable):
        Worker(url, maker(built_log, SHARDS, registry_of), away).work_once()
    assert row(url, dataset)["status"] == "ready"
    Announcer(url, own_log, SHARDS)()

    assert [done.dataset_id for _, done in told(own_log)] == [str(dataset)]


def test_walk_forward_keeps_every_fold_and_counts_the_rows_of_all(
    url: str, tmp_path: Path, built_log: Log, own_log: Log
) -> None:
    days = {"train_days": 4 * MINUTE / DAY, "validation_days": 2 * MINUTE / DAY, "step_days": 2 * MINUTE / DAY}
    dataset = ask(url, tmp_path, plan=WalkForward(at(0), at(12), **days))
    Worker(url, maker(built_log, SHARDS, registry_of), Announcer(url, own_log, SHARDS)).work_once()

    found = row(url, dataset)
    folds = found["metadata"]["folds"]
    assert len(folds) >= 3
    folder = tmp_path / str(dataset)
    assert found["train_records"] == sum(read_split(folder, "train", fold).num_rows for fold in folds)
    assert (found["test_records"], found["split_strategy"]) == (0, "walk_forward")
    assert found["walk_forward_config"]["train_window_days"] == days["train_days"]
    (_, done) = told(own_log)[0]
    assert done.downloads["fold_1/train"].endswith("/download?split=train&fold=1")


@pytest.mark.req("TK-FS-04")
def test_an_empty_test_split_is_no_error_but_is_told_in_log_and_metadata(
    url: str, tmp_path: Path, built_log: Log
) -> None:
    """The session is over before its period begins."""
    plan = TimeBased(Span(at(0), at(8)), Span(at(8), at(11)), Span(at(60), at(61)))
    dataset = ask(url, tmp_path, symbols=("BBBB",), plan=plan)
    with capture_logs() as lines:
        Worker(url, maker(built_log, SHARDS, registry_of)).work_once()

    found = row(url, dataset)
    assert (found["status"], found["test_records"]) == ("ready", 0)
    assert found["metadata"]["empty_test_split"] is True
    (empty,) = found["metadata"]["empty_splits"]
    assert (empty["dataset_id"], empty["symbol"], empty["split"]) == (str(dataset), "BBBB", "test")
    assert (empty["period"], empty["reason"]) == ([at(60), at(61)], "no_data_in_period")
    (line,) = [line for line in lines if line["event"] == "dataset.empty_split"]
    assert (line["log_level"], line["symbol"], line["reason"]) == ("warning", "BBBB", "no_data_in_period")


@pytest.mark.req("TK-FS-29")
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_resplit_is_what_a_build_of_the_new_periods_has_of_the_same_rows(
    url: str, tmp_path: Path, built_log: Log, form: str
) -> None:
    """But for rows that the first build had purged at the edges of its own splits."""
    first = ask(url, tmp_path, format=form)
    wanted = TimeBased(Span(at(1), at(6)), Span(at(6), at(9)), Span(at(9), at(14)))
    second = ask(url, tmp_path, format=form, plan=wanted)
    Worker(url, maker(built_log, SHARDS, registry_of)).run(until_empty=True)
    before = {split: read_split(tmp_path / str(first), split) for split in ("train", "validation", "test")}
    known = {key for table in before.values() for key in keys(table)}
    with connect(url) as connection, connection.transaction():
        counts, missing = resplit(connection, first, wanted)

    total = 0
    for split in before:
        here, there = (read_split(tmp_path / str(one), split) for one in (first, second))
        expected = [place for place, key in enumerate(keys(there)) if key in known]
        assert here.to_pylist() == there.take(expected).to_pylist()
        assert row(url, first)[f"{split}_records"] == counts[split] == here.num_rows > 0
        total += here.num_rows
    assert missing == sum(table.num_rows for table in before.values()) - total
    metadata = load_metadata(tmp_path / str(first))
    assert metadata.request.plan == wanted
    assert any("split again" in note for note in metadata.notes)
    assert {path.name for path in tmp_path.iterdir()} == {str(first), str(second)}


def keys(table) -> list[tuple]:
    return list(zip(table.column("timestamp").to_pylist(), table.column("symbol").to_pylist(), strict=True))
