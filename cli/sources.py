"""Where the events come from that a verb reads."""

from enum import StrEnum
from typing import Annotated

import typer


class Source(StrEnum):
    """The log itself, its archive, or the log with what was fetched from the exchange later."""

    log = "log"
    archive = "archive"
    history = "history"


class Kept(StrEnum):
    """What keeps the offsets of the log, so that outputs can be compared with those of the log."""

    log = "log"
    archive = "archive"


FromSource = Annotated[
    Source,
    typer.Option(
        "--source",
        help="Where the events are read from: the log, its archive (and the log after that),"
        " or history: with what lockstep backfill fetched.",
    ),
]
FromKept = Annotated[
    Kept,
    typer.Option("--source", help="Where the events are read from: the log, or its archive (and the log after that)."),
]
