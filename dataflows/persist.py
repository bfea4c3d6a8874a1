"""persist: signals, decisions, account, events, predictions, models, quality -> PostgreSQL.

A plain loop over readers and not a Bytewax flow: how far each shard was read stands in the database and is written in
the transaction that writes the rows, which alone makes them exactly once. Recovery state beside it would be a second
truth, and there is nothing to compute that more processes could share.
"""

import time
from collections.abc import Callable, Collection, Mapping
from threading import Event
from typing import TypeVar

import structlog

from connectors.log import Log
from connectors.patience import PATIENCE, patiently
from connectors.postgres.old_rows import prune
from connectors.postgres.stored import AWAY, Place, Shard, Stored, Taken
from dataflows.persist_feed import Feed, begin_at
from schemas.topics import ACCOUNT, DECISIONS, EVENTS, MODELS, PREDICTIONS, QUALITY, QUALITY_MINUTES, SIGNALS

LOGGER = structlog.get_logger()
READS = tuple(
    topic.name for topic in (ACCOUNT, EVENTS, DECISIONS, SIGNALS, PREDICTIONS, MODELS, QUALITY, QUALITY_MINUTES)
)
"""The topics in the order in which a round writes them: an exit signal finds its position there."""
BATCH = 2_000
PAUSE = 0.1
"""Seconds between two looks at a log with nothing new."""
LATEST = 5.0
"""Seconds after which a place is written though nothing was stored: most events concern no table."""
HOUSEKEEPING = 60.0
KEEP_DAYS = 30.0
T = TypeVar("T")


class Tally:
    """What was done: records stored by topic, records that no table took by topic."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    def add(self, taken: Collection[Taken], refused: Collection[Taken]) -> None:
        """Count what one transaction wrote."""
        for counts, ones in ((self.stored, taken), (self.refused, refused)):
            for one in ones:
                counts[one.shard[0]] = counts.get(one.shard[0], 0) + 1
        for one in refused:
            self.stored[one.shard[0]] -= 1


class Persist:
    """Stores what one log says until ``stop`` is set, or where ``until_end`` is, up to its present end.

    Args:
        log: where the topics are; all of them exist.
        shards: how many each has.
        stored: the tables.
        check: called when the database came back: raises when somebody else stores the log now.
        keep_days: how long decisions, predictions and quality are kept after they were written; 0: for ever.
        accept_loss: go on where a shard begins if retention took what was not stored.
        patience: seconds to wait for a database that is away.
    """

    def __init__(
        self,
        log: Log,
        shards: int,
        stored: Stored,
        *,
        check: Callable[[], object] = lambda: None,
        keep_days: float = KEEP_DAYS,
        until_end: bool = False,
        accept_loss: bool = False,
        batch: int = BATCH,
        patience: float = PATIENCE,
        stop: Event | None = None,
    ) -> None:
        self.log = log
        self.shards = shards
        self.stored = stored
        self.check = check
        self.keep_days = keep_days
        self.until_end = until_end
        self.accept_loss = accept_loss
        self.batch = batch
        self.patience = patience
        self.stop = stop or Event()
        self.tally = Tally()

    def run(self) -> None:
        """Store.

        Raises:
            RecordsLost: when retention took what was not stored, and ``accept_loss`` is not set.
            SecondWriter: when another process stores the same log.
            psycopg.OperationalError: when the database stays away for longer than our patience.
        """
        places = self._with_database(self.stored.places)
        self._warn_of_others(places)
        feeds = [self._feed((topic, shard), places) for topic in READS for shard in range(self.shards)]
        committed = tidied = time.monotonic() - HOUSEKEEPING
        try:
            while not self.stop.is_set() and not all(feed.done for feed in feeds):
                before = [feed.read for feed in feeds]
                taken = [one for feed in feeds for one in feed.take(self.batch)]
                if taken or time.monotonic() > committed + LATEST:
                    self._commit(taken, feeds)
                    committed = time.monotonic()
                if time.monotonic() > tidied + HOUSEKEEPING:
                    self._tidy()
                    tidied = time.monotonic()
                if before == [feed.read for feed in feeds]:
                    next(feed for feed in reversed(feeds) if not feed.done).wait(PAUSE)
            self._commit([], feeds)
        finally:
            for feed in feeds:
                feed.close()
            self.stored.close()

    def _feed(self, shard: Shard, places: Mapping[Shard, Place]) -> Feed:
        before = places.get(shard)
        begin = patiently(lambda: begin_at(self.log, shard, before, self.accept_loss))
        stop = patiently(lambda: self.log.end(*shard)) if self.until_end else None
        return Feed(self.log, shard, before, begin, stop)

    def _warn_of_others(self, places: Mapping[Shard, Place]) -> None:
        if not places and (others := self._with_database(self.stored.others)):
            LOGGER.warning(
                "persist.database_shared",
                logs=others,
                advice="ids follow from places in the log: a record may replace one of another log; "
                "give each log its own DATABASE_URL",
            )

    def _commit(self, taken: list[Taken], feeds: list[Feed]) -> None:
        """Write everything that was taken, and where each shard is now; wait for a database that is away."""
        moved = {feed.shard: feed for feed in feeds if feed.read != feed.stored}
        if not moved:
            return
        moves = {shard: (feed.stored, feed.read) for shard, feed in moved.items()}
        tried = False

        def write() -> list[Taken]:
            nonlocal tried
            if tried and self._arrived(moves):
                return [one for one in taken if one.refused]
            tried = True
            return self.stored.commit(taken, moves)

        refused = self._with_database(write)
        for feed in moved.values():
            feed.stored = feed.read
        self.tally.add(taken, refused)
        for one in refused:
            LOGGER.warning(
                "persist.refused", topic=one.shard[0], shard=one.shard[1], offset=one.offset, reason=one.refused
            )

    def _arrived(self, moves: Mapping[Shard, tuple[Place | None, Place]]) -> bool:
        """Whether a transaction was written though its answer was lost with the connection."""
        now = self.stored.places()
        return all(shard in now and now[shard].position == after.position for shard, (_, after) in moves.items())

    def _tidy(self) -> None:
        """Remove old decisions, predictions and quality; a database that is away just now is asked next time."""
        if not self.keep_days:
            return
        try:
            for table, gone in prune(self.stored.connection(), self.keep_days).items():
                LOGGER.info("persist.pruned", table=table, rows=gone, older_than_days=self.keep_days)
        except AWAY as error:
            LOGGER.warning("persist.prune_failed", error=str(error).strip())
            self.stored.close()

    def _with_database(self, action: Callable[[], T]) -> T:
        """Do it as soon as the database allows; give up with its own message after ``patience`` seconds."""
        deadline, pause = time.monotonic() + self.patience, 0.1
        away = False
        while True:
            try:
                if away:
                    self.check()
                return action()
            except AWAY as error:
                self.stored.close()
                if self.stop.is_set() or time.monotonic() + pause > deadline:
                    raise
                LOGGER.warning("persist.database_away", error=str(error).strip(), retry_in=pause)
                away = True
                self.stop.wait(pause)
                pause = min(pause * 2, 2.0)
