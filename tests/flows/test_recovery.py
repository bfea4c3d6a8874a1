"""The recovery directory is disposable: lost, damaged or of another time, it never changes a result and never ends it.

What cannot be made good from the log, a flow says, and does not pass over.
"""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from os import SEEK_END
from pathlib import Path
from typing import NamedTuple

import pytest

from connectors.postgres.embedded import EmbeddedPostgres
from connectors.source import Chunk
from dataflows import features as recipe
from dataflows.partitions import damage
from dataflows.recipe import at_once
from dataflows.recovery import StateUnusable
from dataflows.shards import ShardLogic
from operators.registry import Registry, parse_registry
from tests.flows.exact import check_origins, origins
from tests.flows.made import FEATURES, FULL
from tests.flows.story import Events, Published, Story, events_of
from tests.installation import Installation

REGISTRY = parse_registry(FULL.read_text(), where="full.yaml")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def saved(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> "Saved":
    """A session of which six tenths are on the log and processed, and the recovery directory as it was after three."""
    folder = tmp_path_factory.mktemp("saved")
    url = postgres.start()
    events = events_of(Installation(folder / "whole", url, None))
    other = events_of(Installation(folder / "other", url, None), "--seed", "2")
    story = Story(Installation(folder / "home", url, None), events)
    story.tell(0.3)
    story.run()
    shutil.copytree(directory(story), folder / "older")
    story.tell(0.6)
    story.run()
    story.log.close()
    shutil.copytree(folder / "home", folder / "backup", symlinks=True)
    return Saved(story.installation, events, other, folder)


class Saved(NamedTuple):
    """What the tests begin with, in ``folder``."""

    installation: Installation
    events: Events
    other: Events
    folder: Path


@pytest.fixture
def older(saved: Saved) -> Path:
    """The recovery directory of an earlier time."""
    return saved.folder / "older"


@pytest.fixture
def story(saved: Saved) -> Iterator[Story]:
    """Six tenths are processed."""
    shutil.rmtree(saved.installation.home)
    shutil.copytree(saved.folder / "backup", saved.installation.home, symlinks=True)
    installation = Installation(saved.installation.home, saved.installation.settings["DATABASE_URL"], None)
    story = Story(installation, saved.events)
    yield story
    story.log.close()


def exact(story: Story, before: Published | None = None, registry: Registry = REGISTRY) -> None:
    """What was there ``before`` is there still, and behind it all that follows from the log, each record once."""
    published = story.published()
    assert published == story.with_the_rest(before or {key: [] for key in published}, registry)
    assert len(published["features", 0]) > 100
    check_origins(story.log, len(story.events))


def directory(story: Story) -> Path:
    return (story.installation.home / "session" / "recovery" / "features").resolve()


ENGINES = "step_id = 'features.market'"


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sqlite3"))


def rows(part: Path, query: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        return connection.execute(query, values).fetchall()


def with_state(folder: Path) -> Path:
    """A file that holds the state of an engine."""
    return next(part for part in parts(folder) if rows(part, f"SELECT 1 FROM snaps WHERE {ENGINES}"))


def shorten(folder: Path, older: Path) -> None:
    with with_state(folder).open("r+b") as file:
        file.truncate(file.seek(0, SEEK_END) // 2)


def empty(folder: Path, older: Path) -> None:
    with_state(folder).write_bytes(b"")


def overwrite(folder: Path, older: Path) -> None:
    part = with_state(folder)
    part.write_bytes(b"x" * part.stat().st_size)


def delete(folder: Path, older: Path) -> None:
    with_state(folder).unlink()


def put_back_the_clock(folder: Path, older: Path) -> None:
    """The file that says how far the last run was is that of an earlier time."""
    newest = max(parts(folder), key=lambda part: rows(part, "SELECT max(ex_num) FROM exs")[0][0] or -1)
    shutil.copy(older / newest.name, newest)


def forget_the_engines(folder: Path, older: Path) -> None:
    """The sources would go on, with engines that know nothing. All files are sound."""
    for part in parts(folder):
        rows(part, f"DELETE FROM snaps WHERE {ENGINES}")


def put_back_the_engines(folder: Path, older: Path) -> None:
    """The sources would go on, with engines of an earlier time. All files are sound."""
    for part in parts(folder):
        for key, state in rows(older / part.name, f"SELECT state_key, ser_change FROM snaps WHERE {ENGINES}"):
            rows(part, f"UPDATE snaps SET ser_change = ? WHERE {ENGINES} AND state_key = ?", state, key)


@pytest.mark.parametrize("change", [shorten, empty, overwrite, delete, put_back_the_clock], ids=lambda f: f.__name__)
def test_damage_is_found_before_anything_is_read_from_it(story: Story, change: Callable, older: Path):
    """Sound before, and afterwards it is known which file is wrong, or that they do not fit each other."""
    assert damage(directory(story)) is None
    change(directory(story), older)
    assert re.match(r"part-\d.sqlite3: |state is kept from epoch", str(damage(directory(story))))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "change",
    [delete, put_back_the_clock, forget_the_engines, put_back_the_engines],
    ids=lambda change: change.__name__,
)
def test_damaged_state_is_noticed_and_rebuilt_from_the_log(story: Story, change: Callable, processes: int, older: Path):
    """With a warning that names the directory, and without anybody's help."""
    change(directory(story), older)
    story.tell(1.0)
    output = story.run("--processes", str(processes))

    assert "Traceback" not in output
    output += "".join(log.read_text() for log in (story.installation.home / "logs").glob("features-*.log"))
    assert any("recovery." in line and str(directory(story)) in line for line in output.splitlines()), output
    exact(story)


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "kept"])
def test_what_retention_took_before_it_was_processed_is_not_passed_over(story: Story, lost: bool):
    """Without and with recovery state: an error that says what is missing where; then, if told to, it goes on."""
    before = story.published()
    processed = "|".join(str(origins(story.log, "features", shard)[-1].offset) for shard in story.events)
    story.tell(1.0)
    trimmed = story.log.end("events", 0) * 3 // 4
    for shard in story.events:
        story.log.trim("events", shard, trimmed)
    if lost:
        shutil.rmtree(directory(story))
    output = story.run(code=4)
    assert story.published() == before
    expected = story.with_the_rest(before, REGISTRY)
    story.run("--accept-loss")

    missing = f"features was written up to offset ({processed})" if lost else "must resume at offset"
    assert re.search(f"events/[01]: {missing}.*, but the log begins at {trimmed}: .*--accept-loss", output)
    assert "Traceback" not in output
    assert story.published() == expected
    check_origins(story.log, len(story.events))


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_look_back_that_retention_took_is_not_passed_over(story: Story, processes: str):
    """A kept state goes on without it, but a rebuilt one would not be the one that was lost."""
    story.log.trim("events", 1, 10)
    story.run()
    shutil.rmtree(directory(story))
    output = story.run("--processes", processes, code=4)

    output += "".join(log.read_text() for log in (story.installation.home / "logs").glob("features-*.log"))
    assert "lockstep: events/1: a rebuild needs events from" in output and "the log begins at offset 10" in output
    assert "--accept-loss" in output


def test_state_of_another_log_is_refused(story: Story, saved: Saved):
    """A topic that was deleted and made anew, shorter or longer: only a person can tell whether that was meant."""
    story.log.close()
    shutil.rmtree(story.installation.home / "session" / "log")
    again = Story(story.installation, saved.other)
    again.tell(0.2)
    shorter = again.run(code=4)
    again.tell(1.0)
    longer = again.run(code=4)
    again.run("--discard-state")

    ends = {shard: int(len(events) * 0.6) for shard, events in saved.events.items()}
    assert any(f"events/{s}: the recovery state goes on at offset {end}, but the" in shorter for s, end in ends.items())
    assert any(f"events/{s}: offset {end - 1} does not hold the message" in longer for s, end in ends.items())
    assert "--discard-state" in shorter and "--discard-state" in longer
    exact(again)
    again.log.close()


def test_another_registry_goes_on_where_the_first_one_ended(story: Story):
    """Old vectors stay, new ones follow them; none is repeated in the new version."""
    text = re.sub(r'^version: "?full-1"?$', "version: full-2", FULL.read_text(), flags=re.MULTILINE)
    changed = story.installation.home / "changed.yaml"
    changed.write_text(text)
    before = story.published()
    story.tell(1.0)
    story.installation.settings["LOCKSTEP_REGISTRY"] = str(changed)
    story.run()

    exact(story, before, parse_registry(text, where="changed.yaml"))
    versions = [b"full-2" in value for _, value, _ in story.published()["features", 0]]
    assert versions == sorted(versions) and len(set(versions)) == 2


@pytest.mark.parametrize(("fed", "after"), [(None, 4), (7, 4), (7, 9)])
def test_an_engine_refuses_messages_that_do_not_follow_what_it_was_fed(fed: int | None, after: int):
    """State and source of different moments, whichever is ahead."""
    state = None if fed is None else (0, fed, recipe.engine(FEATURES, 0).snapshot())
    logic = ShardLogic(partial(recipe.engine, FEATURES), at_once, state)
    with pytest.raises(StateUnusable, match=f"events/0: .* after offset {after}, .* after offset {fed}"):
        logic.on_batch([Chunk(0, after, [(10, b"")])])
