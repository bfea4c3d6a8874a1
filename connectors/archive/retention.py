"""How long what is archived stays: files whose newest row is too old are moved to another root, or deleted.

Ages count on the archive's own clock, the newest event in it (a recording of last year does not vanish at once), and
never beyond ours. Control events stay for ever: they are few, and without them nothing later could be understood.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from connectors.archive import ArchiveError, Damaged
from connectors.archive.catalogue import Catalogue
from connectors.archive.changes import changing, name, remove
from connectors.archive.entries import Entry, Gone
from connectors.archive.holds import held, lowest
from connectors.archive.kinds import UNREADABLE, kinds
from connectors.archive.layout import DAY, WRITING
from connectors.archive.parquet import stamp
from schemas.events import Control

DAYS = 90.0
TOGETHER = 64
"""Files that go, or come back, at once."""
FOR_EVER = frozenset(str(event.__struct_config__.tag) for event in get_args(Control))


class Policy(NamedTuple):
    """How long each type stays: ``days`` unless ``by_type`` says otherwise; 0 days: for ever. ``away`` is the root
    that files move to; None: they are deleted."""

    days: float = DAYS
    by_type: Mapping[str, float] = {}
    away: Path | None = None

    def of(self, kind: str) -> float:
        """Days for one type; 0: for ever."""
        return 0.0 if kind in FOR_EVER else self.by_type.get(kind, self.days)


class Kept(NamedTuple):
    """A file that is old enough to go and stays, and why."""

    entry: Entry
    reason: str


class Expired(NamedTuple):
    """What a round of expiry did."""

    gone: list[Entry]
    kept: list[Kept]


def parse_days(text: str) -> dict[str, float]:
    """Days by type from a setting.

    >>> parse_days("book.delta=14, trade=0")
    {'book.delta': 14.0, 'trade': 0.0}

    Raises:
        ValueError: saying what is wrong.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, days = part.partition("=")
        if name not in kinds() and name != UNREADABLE:
            raise ValueError(f"{name!r} is no type of event: there are {', '.join(kinds())}, {UNREADABLE}")
        try:
            found[name] = float(days)
        except ValueError:
            raise ValueError(f"{part!r} is not <type>=<days>") from None
        if not 0 <= found[name] < float("inf"):
            raise ValueError(f"{part!r}: days are at least 0 (for ever)")
        if name in FOR_EVER and found[name]:
            raise ValueError(f"{name} stays for ever: without it nothing later can be understood")
    return found


def due(catalogue: Catalogue, policy: Policy, now: int | None = None) -> list[Entry]:
    """The files that are too old, oldest first; ``now`` is the machine's time in microseconds."""
    files = catalogue.files()
    now = time.time_ns() // 1_000 if now is None else now
    clock = min(now, max((entry.newest for entry in files), default=0))
    pinned = catalogue.pinned(now)
    old = [
        entry
        for entry in files
        if (days := policy.of(entry.place.type)) and entry.newest < clock - days * DAY and entry.path not in pinned
    ]
    return sorted(old, key=lambda entry: (entry.newest, entry.path))


def expire(root: Path, catalogue: Catalogue, policy: Policy, now: int | None = None) -> Expired:
    """Take away what is too old, but nothing that somebody reads now.

    Killed at any moment, each file is either here and counts, or gone and the catalogue says where.

    Raises:
        ArchiveError: when a file cannot be copied to the other root as it is.
        OSError: when that has no room; nothing more is taken then.
    """
    done = Expired([], [])
    for batch in _batches(due(catalogue, policy, now)):
        if policy.away is not None:
            _copy(root, policy.away, batch)
        with changing(root):
            free = _free(root, catalogue, batch, done)
            catalogue.send_away(free, "" if policy.away is None else str(policy.away), time.time_ns() // 1_000)
            remove(root, free)
        if policy.away is not None:
            remove(policy.away, [entry for entry in batch if entry not in free])
    return done


def _free(root: Path, catalogue: Catalogue, batch: Sequence[Entry], done: Expired) -> list[Entry]:
    """The files of a batch that may go: that still count, and that nobody reads."""
    here, holds = set(catalogue.files()), held(root, tidy=True)
    free = []
    for entry in batch:
        reader = lowest(holds, entry.shard)
        if entry not in here:
            continue  # compacted in the meantime: it is another one now
        if reader is not None and entry.last >= reader.offset:
            done.kept.append(Kept(entry, f"process {reader.pid} reads events/{entry.shard} from {reader.offset} on"))
        else:
            free.append(entry)
    done.gone.extend(free)
    return free


def restore(root: Path, catalogue: Catalogue, wanted: Sequence[Gone], keep_days: float = 7.0) -> list[Entry]:
    """Bring expired files back from where they were moved to; expiry leaves them alone for ``keep_days``.

    Raises:
        ArchiveError: when one was deleted, or is not there any more.
        Damaged: when one is not what was moved.
    """
    if deleted := [one for one in wanted if not one.root]:
        raise ArchiveError(
            f"{deleted[0].entry.path} was deleted by expiry and cannot come back; files that were moved to another root"
            " can (LOCKSTEP_ARCHIVE_EXPIRED)"
        )
    until = time.time_ns() // 1_000 + int(keep_days * DAY)
    for source in sorted({one.root for one in wanted}):
        for batch in _batches([one.entry for one in wanted if one.root == source]):
            with changing(root):
                _copy(Path(source), root, batch)
                catalogue.bring_back(batch, until)
            remove(Path(source), batch)
    return [one.entry for one in wanted]


def _batches(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    return [entries[begin : begin + TOGETHER] for begin in range(0, len(entries), TOGETHER)]


def _copy(source: Path, target: Path, entries: Sequence[Entry]) -> None:
    """Copy files to another root, durably and whole before they have their names.

    Raises:
        ArchiveError: when one is not there.
        Damaged: when one is not what was written.
    """
    folder = target / WRITING / f"copied-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    drafts = [(folder / f"{number}.part", entry) for number, entry in enumerate(entries)]
    try:
        for draft, entry in drafts:
            _copy_one(source / entry.path, draft, entry)
        name(target, drafts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def _copy_one(path: Path, draft: Path, entry: Entry) -> None:
    try:
        shutil.copyfile(path, draft)
    except FileNotFoundError:
        raise ArchiveError(f"{path} is not there any more: is the folder of what expired mounted?") from None
    if stamp(draft).digest != entry.digest:
        raise Damaged(f"{path} is not what was written: put a good copy in its place (lockstep archive verify)")
