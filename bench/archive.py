"""How fast events are archived, and how fast an archive is read and replayed, against the log in the same run."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.throughput import plain_loop, read_all, timed
from connectors.archive.log import ArchiveLog
from connectors.log.sqlite import SqliteLog
from dataflows.archive import Archive
from dataflows.job import Job


@dataclass
class Archived:
    """Events a second (medians of the rounds), ratios (medians of each round's own ratio), bytes of an event."""

    archiving: float
    of_reading: float
    reading: float
    of_log: float
    replay: float
    of_replay: float
    bytes: float
    log_bytes: float


def measure(job: Job, folder: Path, rounds: int) -> Archived:
    """Take turns, so that whatever else the machine does falls on all of them; the archive stands beside no log."""
    rows = []
    for number in range(rounds):
        root = folder / f"archive-{number}"
        log = timed(lambda: read_all(job.log, job.shards))
        archiving = timed(lambda: archive(job, root))  # noqa: B023
        past = ArchiveLog(SqliteLog(folder / "nothing"), root)
        there = Job(job.recipe, past, job.shards, job.registry)
        reading = timed(lambda: read_all(past, job.shards))  # noqa: B023
        loops = timed(lambda: plain_loop(job)), timed(lambda: plain_loop(there))  # noqa: B023
        rows.append((log, archiving, reading, *loops))
        size = past.size("events") or 0
        past.close()
        shutil.rmtree(root)
    events = sum(job.log.end("events", shard) for shard in range(job.shards))
    return Archived(
        median(row[1] for row in rows),
        median(row[1] / row[0] for row in rows),
        median(row[2] for row in rows),
        median(row[2] / row[0] for row in rows),
        median(row[4] for row in rows),
        median(row[4] / row[3] for row in rows),
        size / events,
        (job.log.size("events") or 0) / events,
    )


def archive(job: Job, root: Path) -> int:
    """All events of a log, as ``lockstep archive run --until-end`` does it."""
    work = Archive(job.log, job.shards, root, until_end=True, least_free=0)
    work.run()
    return work.tally.rows
