"""How many processes a build gets, and what each of them has to do."""

from typing import NamedTuple

from connectors.log import Log
from connectors.log.address import address_of
from learning.datasets.parallel import cutting
from learning.datasets.parallel.cutting import Cut
from learning.datasets.parallel.jobs import described
from learning.datasets.parallel.rows import Team
from learning.datasets.request import DatasetRequest
from learning.datasets.row import Columns
from operators.registry import Registry


class Workforce(NamedTuple):
    """How many processes compute rows at most, and into how many pieces the range is cut (None: as is best)."""

    workers: int = 1
    pieces: int | None = None

    def team(self, log: Log, registry: Registry, request: DatasetRequest, columns: Columns) -> Team | None:
        """The processes that may compute rows; None where this one does it alone, as nobody else can open the log."""
        address = address_of(log) if self.workers > 1 else None
        if address is None:
            return None
        shared = {
            "log": address,
            "version": registry.version,
            "features": described(registry, {*columns.names, columns.deviation}),
            "names": columns.names,
            "deviation": columns.deviation,
            "target": request.target,
            "every": request.every,
        }
        return Team(shared, self.workers)

    def cuts(self, first: int, end: int, lookback: int, messages: int) -> list[Cut]:
        """The pieces of [first, end), which has so many messages; none where it is not worth it."""
        if self.pieces is not None:
            return cutting.equal(first, end, self.pieces)
        if messages < cutting.WORTH:
            return []
        found = cutting.pieces(first, end, lookback, self.workers)
        return found if len(found) > 1 else []
