"""Statistics over HTTP: always 200; a part that could not be collected carries an ``error``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from serving.features import view_of
from serving.statistics import Statistics
from serving.stats_out import ProcessingOut, QueueOut, ServiceOut, StatsOut, StorageOut, WindowsOut
from serving.view import View

INCOMPLETE = "X-Stats-Error"
"""The header that says why a list is not complete."""


def statistics_of(request: Request) -> Statistics:
    """The statistics of the application that answers."""
    statistics: Statistics = request.app.state.statistics
    return statistics


Known = Annotated[Statistics, Depends(statistics_of)]
OneSymbol = Annotated[
    str | None, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,29}$", description="Only this one.", examples=["BTCUSDT"])
]
router = APIRouter(prefix="/stats", tags=["statistics"])


@router.get("")
def stats(known: Known) -> StatsOut:
    """All statistics at once."""
    return known.everything()


@router.get("/storage")
def storage(known: Known) -> StorageOut:
    """Bytes and files of the archive, of datasets, of models and of the embedded log; at most ten seconds old."""
    return known.storage()


@router.get("/processing")
def processing(known: Known) -> ProcessingOut:
    """How many vectors were computed and events processed in the last hour and day."""
    return known.processing()


@router.get("/rolling-windows")
def rolling_windows(
    known: Known, view: Annotated[View, Depends(view_of)], response: Response, symbol: OneSymbol = None
) -> list[WindowsOut]:
    """What the windows of each symbol hold now, as the events on the log say. While the log is away the header
    ``X-Stats-Error`` says so."""
    if view.log_error:
        response.headers[INCOMPLETE] = view.log_error.encode("ascii", "replace").decode().replace("\n", " ")
    return known.windows(symbol and symbol.upper())


@router.get("/subscriptions")
def subscriptions(known: Known) -> list[QueueOut]:
    """How many messages wait in ws-gateway's queues, and who consumes them."""
    return known.subscriptions()


@router.get("/service")
def service(known: Known) -> ServiceOut:
    """Which symbols are followed, how the service is, and which flows report."""
    return known.service()
