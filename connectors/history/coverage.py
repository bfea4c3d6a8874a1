"""What there is of a symbol and what is missing: fetched files, the archive and the log together."""

from collections.abc import Collection
from datetime import date
from pathlib import Path

from connectors.history.files import BackfillFiles
from connectors.history.heard import heard_candles
from connectors.history.kinds import TAGS, RawType
from connectors.history.spans import Span, day_span, merged, within, without
from connectors.log import Log


class Coverage:
    """Which spans of which raw type are there.

    A candle is there when it was fetched or heard live. Settlements are there when they were fetched: the live channels
    carry estimates of the next one.

    Args:
        root: of the archive; fetched files are below it too.
        log: the live log; None: only what is in files counts.
        only: which of the fetched files count; None: all.
    """

    def __init__(self, root: Path, log: Log | None = None, only: Collection[str] | None = None) -> None:
        self.root = root
        self.log = log
        self.files = BackfillFiles(root, only)

    def spans(self, raw: RawType, symbol: str, window: Span) -> list[Span]:
        """What there is in ``window``."""
        found = self.files.covered(TAGS[raw], symbol, window)
        if raw == "klines" and without([window], found):
            found = merged([*found, *heard_candles(self.log, self.root, symbol, window)])
        return within(found, window)

    def missing(self, raw: RawType, symbol: str, window: Span) -> list[Span]:
        """What is not there in ``window``."""
        return without([window], self.spans(raw, symbol, window))

    def missing_of_day(self, raw: RawType, symbol: str, day: date, now: int) -> list[Span]:
        """What is not there of a day, as far as it has passed at ``now`` (microseconds UTC)."""
        span = day_span(day)
        return without([(span.start, min(span.end, now))], self.spans(raw, symbol, span))
