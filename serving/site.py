"""Where things are that the API reads and asks for, beside what it follows."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from connectors.log import Log

if TYPE_CHECKING:
    from operators.registry import Registry


@dataclass(frozen=True)
class Site:
    """One installation.

    Args:
        home: where flows report (``metrics``) and the training daemon tells how it is (``learn/status.json``).
        models: the folder of model files.
        datasets: the folder of datasets.
        open_log: opens the log, for what the API asks of other parts.
        sole: held while model events are written: two writers that mix theirs would leave shards that disagree.
        registries: the feature registry of a version; raises LookupError naming those that there are.
    """

    home: Path
    models: Path
    datasets: Path
    open_log: Callable[[], Log]
    registries: Callable[[str], "Registry"]
    sole: Callable[[], AbstractContextManager[object]] = nullcontext


def site_of(request: Request) -> Site:
    """The installation of the application that answers."""
    site: Site = request.app.state.site
    return site


At = Annotated[Site, Depends(site_of)]
