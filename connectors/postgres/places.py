"""Where an embedded server keeps its things, and which of the running processes it is."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from connectors.postgres.program import PostgresError

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 100
"""Bytes of a Unix socket's path; the kernel's limit is 108 on Linux and 104 on macOS, with the closing zero."""


@dataclass(frozen=True)
class Places:
    """The files of one embedded server under ``root``, an absolute folder."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def lock(self) -> Path:
        """Held while the server is started or stopped."""
        return self.root / "lock"

    @property
    def users(self) -> Path:
        return self.root / "users"

    @property
    def url_file(self) -> Path:
        """The URL of the running server, for people and for other programs."""
        return self.root / "url"

    @property
    def sockets(self) -> Path:
        """The folder of the Unix socket: ours, or a short one for a clone whose path is too long for a socket."""
        near = self.root / "socket"
        if len(os.fsencode(near / SOCKET)) <= LONGEST_SOCKET:
            return near
        name = f"lockstep-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]}"
        short = Path(tempfile.gettempdir()) / name
        return short if len(os.fsencode(short / SOCKET)) <= LONGEST_SOCKET else Path("/tmp") / name

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/lockstep?host={quote(str(self.sockets), safe='')}"

    def server(self) -> psutil.Process | None:
        """The running server of this folder: the process id in its file, if that process really is our server."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return process if (process := _process(pid)) and self._ours(process) else None

    def processes(self) -> list[psutil.Process]:
        """Every process of this server, also those that outlived it."""
        return [process for process in psutil.process_iter() if self._ours(process)]

    def claim_sockets(self, owner: int) -> Path:
        """Make the socket folder.

        Raises:
            PostgresError: when somebody else made a folder of that name in the shared temporary directory.
        """
        folder = self.sockets
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise PostgresError(f"{folder} belongs to another user: remove it, or clone to a shorter path")
        return folder

    def clear_stale(self) -> None:
        """Remove lock files that name a process which is not ours: after a reboot the number may be anybody's.

        A file whose process is gone stays: the server itself checks whether shared memory is still in use.
        """
        for path in (self.data / "postmaster.pid", self.sockets / f"{SOCKET}.lock"):
            with suppress(OSError, ValueError):
                pid = int(path.read_text().split("\n", 1)[0])
                if psutil.pid_exists(pid) and not self.processes():
                    path.unlink()

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self.data
        except psutil.Error:
            return False


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None
