"""A program that appends until it is told to stop or killed: ``python -m tests.log.appender``.

It prints ``batch last-offset`` for every batch that the log acknowledged.
"""

import sys
from pathlib import Path

from connectors.log import NewRecord, open_log
from tests.log.home import SOME_TIME

BATCH = 200


def batch(name: str, number: int) -> list[NewRecord]:
    """Two hundred records that say who they are, with values large enough to need several pages."""
    return [
        NewRecord(name.encode(), b"%s %d %d " % (name.encode(), number, place) + b"." * 300, SOME_TIME)
        for place in range(BATCH)
    ]


def main(bootstrap: str, root: str, topic: str, name: str, batches: str) -> None:
    log = open_log(bootstrap or None, Path(root))
    for number in range(int(batches)):
        print(number, log.append(topic, 0, batch(name, number)), flush=True)
    log.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
