"""Runs a dataflow in this process: one member of a cluster, or alone."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from dataflows.recovery import config

EPOCH = timedelta(seconds=1)
"""Memory within an epoch is unbounded, and an epoch is what a crash repeats: keep it short."""


def tune_gc() -> None:
    """Collect rarely: decoded events are acyclic and freed by reference counts, so a full collection finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def run(
    flow: Dataflow,
    *,
    recovery: Path | None = None,
    process: int | None = None,
    addresses: Sequence[str] | None = None,
    epoch: timedelta = EPOCH,
) -> None:
    """Run until the source ends, which a live one never does.

    Args:
        flow: what to run.
        recovery: the flow's recovery directory, prepared; None keeps no state.
        process: this process's number in a cluster, from 0.
        addresses: ``host:port`` of every process of the cluster, in order.
        epoch: how often state is stored.
    """
    tune_gc()
    with own_errors():
        cli_main(
            flow,
            process_id=process,
            addresses=list(addresses) if addresses else None,
            epoch_interval=epoch,
            recovery_config=config(recovery) if recovery else None,
        )


@contextmanager
def own_errors() -> Iterator[None]:
    """Bytewax wraps what our sources and sinks raise; give the first of it back as it was."""
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is error:
            raise
        raise cause from error
