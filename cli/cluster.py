"""Several processes of one flow: started together, and restarted together when one of them dies."""

import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from cli.context import Exit
from cli.processes import Processes

FINAL = {int(code) for code in (Exit.USAGE, Exit.DATA, Exit.HELD)}
"""Exit codes that another try would not change."""
RESTARTS = 20
"""Tries within ``WINDOW`` seconds before giving up."""
WINDOW = 300.0
LAST_WORDS = 30.0
"""Seconds for a process that was told to stop, or that is done, to end."""


def run_cluster(command: Sequence[str], processes: int, home: Path, env: Mapping[str, str]) -> int:
    """Run ``command -i N -a ...`` for every N until all end well, one ends for good or we are told to stop.

    Returns the exit code: 0 only when every process ended well.

    If one process of a cluster dies the others cannot go on, so all are ended and started again; state and outputs are
    exactly once, so that costs time and nothing else.
    """
    children = Processes(home / "processes", home / "logs")
    stopped = Stopped()
    starts: list[float] = []
    try:
        while True:
            starts = [then for then in starts if time.monotonic() - then < WINDOW] + [time.monotonic()]
            code = _once(children, command, processes, env, stopped)
            if stopped or code == 0 or code in FINAL:
                return code
            if len(starts) > RESTARTS:
                structlog.get_logger().error("cluster.gave_up", restarts=RESTARTS, within_seconds=WINDOW)
                return int(Exit.UNAVAILABLE)
            structlog.get_logger().warning("cluster.restart", exit_code=code, processes=processes)
            time.sleep(min(0.2 * len(starts), 5.0))
    finally:
        children.stop_all()


class Stopped:
    """Becomes true when we are told to stop."""

    def __init__(self) -> None:
        self.told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        self.told = True

    def __bool__(self) -> bool:
        return self.told


def _once(children: Processes, command: Sequence[str], processes: int, env: Mapping[str, str], stopped: Stopped) -> int:
    """One life of the cluster; the first bad exit code, or 0 when all ended well."""
    addresses = [part for port in free_ports(processes) for part in ("-a", f"127.0.0.1:{port}")]
    names = [f"{command[4]}-{number}" for number in range(processes)]
    for number, name in enumerate(names):
        children.start(name, [*command, "-i", str(number), *addresses], env)
    while not stopped:
        codes = {name: children.returncode(name) for name in names}
        if all(code == 0 for code in codes.values()):
            break
        if bad := {name: code for name, code in codes.items() if code}:
            end(children, names, grace=1.0)  # they cannot go on, and what they did not write will be written again
            name = next((name for name, code in bad.items() if code in FINAL), next(iter(bad)))
            if bad[name] in FINAL:
                print(f"{name} ended with {bad[name]}:\n{children.tail(name)}", file=sys.stderr, flush=True)
            return bad[name]
        time.sleep(0.05)
    code = next((code for code in end(children, names, LAST_WORDS) if code), 0)
    return 128 - code if code < 0 else code  # killed by a signal, as a shell says it


def end(children: Processes, names: Sequence[str], grace: float) -> list[int | None]:
    """Tell all to end, then wait for each."""
    for name in names:
        children.tell(name)
    return [children.stop(name, grace) for name in names]


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
