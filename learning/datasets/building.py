"""Building a dataset: rows from the log, into splits, checked, on disk all at once or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

from connectors.archive.holds import holding
from connectors.log import Log
from learning.datasets.assembly import Assembly
from learning.datasets.leakage import Compile
from learning.datasets.metadata import DatasetMetadata, Progress
from learning.datasets.pace import Pace, never, silent
from learning.datasets.parallel.workforce import Workforce
from learning.datasets.request import DatasetRequest, check
from operators.registry import Registry


def build(
    log: Log,
    shards: int,
    request: DatasetRequest,
    registry: Registry,
    folder: Path,
    *,
    progress: Callable[[Progress], None] = silent,
    cancelled: Callable[[], bool] = never,
    paused: Callable[[], bool] = never,
    compile: Compile | None = None,
    workers: int = 1,
    pieces: int | None = None,
) -> DatasetMetadata:
    """Build the dataset that ``request`` asks for, in ``folder``.

    Files: ``train|validation|test.<format>`` (``fold_<i>/...``), ``metadata.json``, and ``build.json`` on how it went.
    The same request on the same log gives the same files, but for ``build.json``. Until all is done nothing is in
    ``folder``; what was there before is replaced.

    Args:
        log: with the topics ``events`` and, for the fast way, ``features``.
        shards: how many they have.
        request: what is asked for.
        registry: the features; its content is part of the metadata.
        folder: where the dataset goes; its parent is made.
        progress: told about each batch of messages.
        cancelled, paused: asked at each batch.
        compile: makes the features of a log, where they are not the registry's own formulas.
        workers: processes that compute rows, where there is enough to do for them. The files do not depend on it.
        pieces: into how many the range is cut for them, if it is not to be decided here.

    Raises:
        DatasetError: when the request has no answer, or its rows are of no use: one class, a leak (``LeakageError``).
        CannotServe: when the log has no rows for it; the message names what it has.
        Cancelled: when ``cancelled`` said so.
        LogUnavailable: when the log is away.
    """
    check(request, registry)
    pace = Pace(progress, cancelled, paused)
    building = Assembly(log, shards, request, registry, pace, compile, Workforce(workers, pieces))
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        with holding(log):
            metadata = building.into(partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return metadata
