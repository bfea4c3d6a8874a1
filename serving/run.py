"""Runs the API: follows the log, checks what it depends on, and listens."""

import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn

from connectors.log import Log
from reports.quality.limits import Limits
from serving.app import create_app
from serving.backfill_rules import BackfillRules
from serving.database import Database
from serving.follower import Follower
from serving.keys import key_at
from serving.learning_probe import FILES_EVERY, Builds, ModelFiles
from serving.measured import Measured
from serving.probe import DatabaseCheck, PeerCheck, Probe, QueueCheck
from serving.site import Site
from serving.view import View

if TYPE_CHECKING:
    from learning.registries.where import Where
    from operators.registry import Registry

LOGGER = structlog.get_logger()
GRACE_SECONDS = 3


class PortTaken(Exception):
    """The address cannot be listened on; the message says what to do."""


def no_registry(version: str) -> "Registry":
    """Where nobody said which registries there are."""
    raise LookupError(f"feature registry {version} is not known: there is none")


@dataclass(frozen=True)
class Serving:
    """What the API needs to know. ``home`` is where the key, the address and the flows' reports are.

    ``registry`` returns a line about the registry that is in use, or raises; ``registries`` gives that of a version.
    ``models``, ``datasets`` and ``archive`` are folders; None: those below ``home``. ``log_folder`` is the embedded
    log's; None: a broker keeps the log. ``position_manager`` is its address; None: there is none. ``sole`` is held
    while model events are written. ``limits`` are those of alerts about the data's quality.
    ``feature_registries``: where their versions are. ``backfill``: what may be fetched from the exchange.
    """

    open_log: Callable[[], Log]
    database_url: str
    home: Path
    registry: Callable[[], str]
    amqp_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = None
    models: Path | None = None
    datasets: Path | None = None
    registries: Callable[[str], "Registry"] = no_registry
    sole: Callable[[], AbstractContextManager[object]] = nullcontext
    archive: Path | None = None
    log_folder: Path | None = None
    position_manager: str | None = None
    backfill: BackfillRules = field(default_factory=BackfillRules)
    feature_registries: "Where | None" = None
    limits: Limits = field(default_factory=Limits)


def serve(wanted: Serving) -> None:
    """Listen until SIGINT or SIGTERM. The address is in ``<home>/api.json`` while we do.

    Raises:
        PortTaken: when the address is in use or not ours.
    """
    listening = listen(wanted.host, wanted.port)
    view = View(wanted.limits)
    probes = [probe.start() for probe in _probes(wanted)]
    follower = Follower(wanted.open_log, view).start()
    database = Database(wanted.database_url)
    site = Site(
        wanted.home,
        wanted.models or wanted.home / "models",
        wanted.datasets or wanted.home / "datasets",
        wanted.open_log,
        wanted.registries,
        wanted.sole,
        archive=wanted.archive,
        log_folder=wanted.log_folder,
        amqp_url=wanted.amqp_url,
        backfill=wanted.backfill,
        feature_registries=wanted.feature_registries,
    )
    measured = Measured(wanted.database_url, view.computations.take).start()
    app = create_app(view, probes, _key(wanted), database, site, measured.call)
    address = wanted.home / "api.json"
    try:
        _announce(address, listening)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS
        )
        server = uvicorn.Server(config)
        _end_quietly(server)
        server.run(sockets=[listening])
    finally:
        address.unlink(missing_ok=True)
        follower.stop()
        for probe in probes:
            probe.stop()
        measured.stop()
        database.close()
        listening.close()


def _probes(wanted: Serving) -> list[Probe]:
    probes = [Probe("database", DatabaseCheck(wanted.database_url)), Probe("feature_registry", wanted.registry)]
    models = wanted.models or wanted.home / "models"
    probes.append(Probe("model_files", ModelFiles(wanted.database_url, models), every=FILES_EVERY))
    probes.append(Probe("datasets", Builds(wanted.database_url)))
    if wanted.position_manager:
        probes.append(Probe("position_manager", PeerCheck(wanted.position_manager)))
    if wanted.amqp_url:
        probes.append(Probe("message_queue", QueueCheck(wanted.amqp_url)))
    return probes


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        PortTaken: when the address is in use or not ours.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise PortTaken(
            f"the API cannot listen on {host}:{port} ({error.strerror}): stop what does, or set LOCKSTEP_API_PORT "
            "(0 takes any free port) or LOCKSTEP_API_HOST"
        ) from error
    # Accepted connections inherit it. Without it every answer waits some 40 ms for an acknowledgement: asyncio sets it
    # only for sockets that were made with an explicit protocol, which create_server does not do.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _key(wanted: Serving) -> str:
    if wanted.api_key:
        return wanted.api_key
    path = wanted.home / "api-key"
    key, made = key_at(path)
    if made:
        print(f"API key (shown once, kept in {path}): {key}", file=sys.stderr, flush=True)
    return key


def _end_quietly(server: uvicorn.Server) -> None:
    """Let a signal end the server and not the process: uvicorn raises it again when it has stopped, for us to clean up.

    One that comes before the server listens to signals ends us as well, by way of the clean-up.
    """

    def asked(number: int, frame: FrameType | None) -> None:
        if not server.started:
            raise SystemExit(0)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, asked)


def _announce(path: Path, listening: socket.socket) -> None:
    """Write the address whole, so that a reader never sees half of it."""
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"url": url, "host": host, "port": port}))
    with suppress(OSError):
        fresh.replace(path)
    LOGGER.info("api.listening", url=url)
