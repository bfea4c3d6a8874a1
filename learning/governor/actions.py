"""What the governor wants to be done."""

from hashlib import blake2b
from typing import NamedTuple

from schemas.command import Train
from schemas.governance import ModelAlert, TrainingDone
from schemas.model import ModelActivated, ModelShadowed

BY = "learn"
"""Who decided, in every event that the governor asks for."""
LONGEST = 256
"""Characters of a reason on the log."""
Change = ModelActivated | ModelShadowed


class Ask(NamedTuple):
    """Put a request for a training on ``commands``."""

    command: Train


class Announce(NamedTuple):
    """Write a model event to those of ``shards`` that do not hold its decision yet."""

    event: Change
    shards: tuple[int, ...]


class Raise(NamedTuple):
    """Put an alert on ``learning``, and in the log lines."""

    alert: ModelAlert


class Answer(NamedTuple):
    """Put the end of a training on ``learning`` that never began."""

    done: TrainingDone


Action = Ask | Announce | Raise | Answer


def decision(kind: str, strategy: str, version: str | None, *because: object) -> str:
    """The name of a decision: the same for the same cause, whoever decides it again.

    >>> decision("promote", "momentum", "v1", "shadow/7")
    'promote/momentum/v1/8d64423c3879'
    """
    mark = blake2b("\n".join(map(str, because)).encode(), digest_size=6).hexdigest()
    return f"{kind}/{strategy}/{version or 'warmup'}/{mark}"


def short(text: str) -> str:
    """A reason that fits on the log.

    >>> len(short("because " * 100))
    256
    """
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
