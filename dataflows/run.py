"""Runs a dataflow in this process: one member of a cluster, or alone."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.run import cli_main

from dataflows.recovery import REFUSALS, StateUnusable, config

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

    Raises:
        StateUnusable: when the recovery directory cannot be gone on from.
    """
    tune_gc()
    try:
        with own_errors():
            cli_main(
                flow,
                process_id=process,
                addresses=list(addresses) if addresses else None,
                epoch_interval=epoch,
                recovery_config=config(recovery) if recovery else None,
            )
    except REFUSALS as error:
        raise StateUnusable(f"{recovery}: {error}") from error


@contextmanager
def own_errors() -> Iterator[None]:
    """Bytewax wraps what our sources, stages and sinks raise: give it back as it was, its own cause included."""
    try:
        yield
    except BytewaxRuntimeError as error:
        own: BaseException = error
        while isinstance(own, BytewaxRuntimeError) and own.__cause__ is not None:
            own = own.__cause__
        raise own from own.__cause__
