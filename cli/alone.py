"""Something that one process at a time may do."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.context import Exit, UserError


@contextmanager
def alone(lock: Path, refusal: str) -> Iterator[None]:
    """Hold the file ``lock``; it is let go of when the process ends, however it ends.

    Raises:
        UserError: saying ``refusal``, with the holder's process id for ``{pid}``.
    """
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(refusal.replace("{pid}", file.read().strip() or "?"), Exit.HELD) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
