"""The process between an embedded server and its holders: it starts the server and ends it when nobody is left.

    python -m connectors.postgres.keeper DIRECTORY

It looks for holders twice a second, because a holder killed by force cannot say goodbye.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from connectors.postgres.embedded import stop_server
from connectors.postgres.places import Places
from connectors.postgres.program import program, runner
from connectors.postgres.users import exclusive, in_use

SETTINGS = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "jit": "off",
}
PAUSE = 0.5


def keep(places: Places) -> None:
    """Run the server until it ends, or until its holders are gone."""
    server = _serve(places)
    stopped = _on_terminate()
    while server.poll() is None:
        if stopped or not in_use(places.users):
            with exclusive(places.lock):
                if stopped or not in_use(places.users):
                    stop_server(places)
        time.sleep(PAUSE if server.poll() is None else 0)


def _serve(places: Places) -> subprocess.Popen[bytes]:
    settings = SETTINGS | {"unix_socket_directories": str(places.sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*runner().prefix, str(program("postgres")), "-D", str(places.data), *options]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/")


def _on_terminate() -> list[int]:
    """A list that is filled when somebody asks this process to end."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, note)
    return received


if __name__ == "__main__":
    keep(Places(Path(sys.argv[1])))
