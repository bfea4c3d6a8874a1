"""What the API asks of other parts: events for every shard, and commands. It computes nothing itself."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse

from connectors.control import append_now, log_time
from connectors.log import Log, LogError, NewRecord
from connectors.postgres.lease import LeaseError
from schemas.codec import encode
from schemas.command import Backfill, Build, Train
from schemas.events import Control
from schemas.topics import COMMANDS, EVENTS, shard_of
from serving.errors import error
from serving.site import Site, site_of
from serving.trace import trace_of


class LogAway(Exception):
    """Nothing can be asked for now; the message says why."""


class Asking:
    """Writes to the log what somebody asked for; the log is opened for each, as that is rare."""

    def __init__(self, site: Site) -> None:
        self._open_log, self._sole = site.open_log, site.sole

    def broadcast(self, event: Control) -> int:
        """Put a model event on every shard of ``events``, as of the log's own time; that of the first shard.

        Raises:
            LogAway: when the log cannot be written now, or somebody else writes model events.
        """
        with self.log() as log, self._sole():
            for shard in range(shards(log, EVENTS.name)):
                append_now(log, shard, event)
            return log_time(log, 0)

    def command(self, command: Train | Build | Backfill, key: str) -> None:
        """Put a command on ``commands``.

        Raises:
            LogAway: when the log cannot be written now.
        """
        with self.log() as log:
            shard = shard_of(key, shards(log, COMMANDS.name))
            log.append(COMMANDS.name, shard, [NewRecord(key.encode(), encode(command), command.ts)])

    @contextmanager
    def log(self) -> Iterator[Log]:
        """The log, for as long as it is needed.

        Raises:
            LogAway: when it cannot be used now.
        """
        try:
            with closing(self._open_log()) as log:
                yield log
        except (LogError, LeaseError, OSError) as problem:
            raise LogAway(str(problem)) from problem


def shards(log: Log, topic: str) -> int:
    """How many shards a topic has.

    Raises:
        LogAway: when it is not there yet.
    """
    for info in log.topics():
        if info.name == topic:
            return info.shards
    raise LogAway(f"the log has no topic {topic}: start a flow, it creates every topic")


def add_log_answer(app: FastAPI) -> None:
    """Answer 503 where something is asked for and the log is away."""

    @app.exception_handler(LogAway)
    async def away(request: Request, problem: LogAway) -> JSONResponse:
        return error(503, f"the log is away, so nothing can be asked for now: {problem}", trace_of(request.scope))


def asking_of(site: Annotated[Site, Depends(site_of)]) -> Asking:
    """How the application that answers asks."""
    return Asking(site)


Ask = Annotated[Asking, Depends(asking_of)]
