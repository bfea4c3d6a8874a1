"""Where things are that the API reads and asks for, beside what it follows."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from connectors.log import Log
from serving.backfill_rules import BackfillRules

if TYPE_CHECKING:
    from learning.registries.where import Where
    from operators.registry import Registry


@dataclass(frozen=True)
class Site:
    """One installation. A folder that is None is the one below ``home``, or there is none.

    Args:
        home: where flows report (``metrics``) and the training daemon tells how it is (``learn/status.json``).
        models: the folder of model files.
        datasets: the folder of datasets.
        open_log: opens the log, for what the API asks of other parts.
        sole: held while model events are written: two writers that mix theirs would leave shards that disagree.
        registries: the feature registry of a version; raises LookupError naming those that there are.
        archive: the folder of archived events.
        log_folder: where the embedded log keeps its files; None: a broker keeps the log.
        feature_registries: where the versions of feature registries are; None: nobody changes them here.
        amqp_url: RabbitMQ of the other services; None: there is none.
        backfill: what may be fetched from the exchange.
    """

    home: Path
    models: Path
    datasets: Path
    open_log: Callable[[], Log]
    registries: Callable[[str], "Registry"]
    sole: Callable[[], AbstractContextManager[object]] = nullcontext
    archive: Path | None = None
    log_folder: Path | None = None
    amqp_url: str | None = None
    backfill: BackfillRules = field(default_factory=BackfillRules)
    feature_registries: "Where | None" = None


def site_of(request: Request) -> Site:
    """The installation of the application that answers."""
    site: Site = request.app.state.site
    return site


At = Annotated[Site, Depends(site_of)]
