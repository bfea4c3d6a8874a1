"""``lockstep run-dataflow``: the main job, end to end, with a live view."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cli import sessions
from cli.cluster import FINAL
from cli.collect import feed_of, parse_speed
from cli.context import Context, Exit, UserError
from cli.flow import Flow, create_topics
from cli.observe import Observer, Seen
from cli.processes import Processes
from cli.screen import line, screen
from connectors.log import Log
from connectors.postgres.migrate import Migrator

CATCH_UP = 15.0
"""Seconds at the end for the flow to finish what was collected."""
START = 30.0
"""Seconds for the API to listen."""
LINES = 5.0
"""Seconds between two lines where there is no terminal."""
RESTARTS = 10


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    source: str
    symbols: list[str]
    speed: str
    flow: Flow
    processes: int
    duration: float

    @property
    def title(self) -> str:
        """What runs, in one line."""
        return f"Lockstep  {self.flow.value} flow  source {self.source}  speed {self.speed}"

    @property
    def begins_anew(self) -> bool:
        """Whether the source tells a story with a beginning of its own, which a log can hold only once."""
        return self.source != "bybit" and not (self.source == "demo" and self.speed == "1")


def run_dataflow(
    source: Annotated[str | None, typer.Option(help="demo, bybit, or a recorded file or folder.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Such as BTCUSDT,ETHUSDT.")] = None,
    speed: Annotated[str | None, typer.Option(help="1, 10, another number, or max.")] = None,
    flow: Annotated[Flow | None, typer.Option(help="Which flow.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes of the flow.")] = 1,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds to run; 0: until Ctrl-C.")] = None,
) -> None:
    """Collect market data, run the flow and the API, and show what happens, until Ctrl-C or DURATION."""
    with Context() as context:
        settings = context.settings
        plan = Plan(
            source or settings.source,
            symbols.upper().split(",") if symbols else list(settings.symbols),
            f"{settings.speed:g}" if speed is None and settings.speed != "max" else str(speed or "max"),
            flow or Flow(settings.flow),
            processes,
            duration or settings.duration or 0.0,
        )
        feed_of(
            plan.source, plan.symbols, parse_speed(plan.speed)
        )  # refuses what cannot be read before anything starts
        with alone(context.home):
            Run(context, plan).go()


class Run:
    """One run: what it started, and how it ends."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self.context = context
        self.plan = plan
        self.console = Console()
        self.parent = os.getppid()
        self.stopped = False
        self.restarts = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def go(self) -> None:
        """Start everything, show it, stop everything."""
        context, plan = self.context, self.plan
        home = context.home
        self.console.print(f"[bold]{plan.title}[/]  home {home}")
        self.children = Processes(home / "run.json", home / "logs")
        try:
            sessions.choose(home, sessions.name_of(plan.source), fresh=plan.begins_anew)
            env = {"DATABASE_URL": context.database_url()}
            Migrator(env["DATABASE_URL"]).up()
            log = context.open_log()
            refuse_older_session(log, plan, context.settings.shards)
            create_topics(log, context.settings.shards)
            observer = Observer(log, context.settings.shards)
            (home / "api.json").unlink(missing_ok=True)
            self._start("api", ["serve"], env)
            self._start("flow", ["run", plan.flow.value, "--processes", str(plan.processes)], env)
            api = self._api_address(home / "api.json")
            collect = ["--source", plan.source, "--symbols", ",".join(plan.symbols), "--speed", plan.speed]
            self._start("collect", ["collect", *collect], env)
            self._watch(observer, api, env)
            self._finish(observer)
            log.close()
        finally:
            self.children.stop_all()
        self.console.print(summary(observer.seen, self.context.session, self.restarts))

    def _start(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        self.children.start(name, [sys.executable, "-m", "cli.main", *arguments], env)

    def _watch(self, observer: Observer, api: str, env: dict[str, str]) -> None:
        """Show what happens until the source ends or it is time to stop."""
        until = time.monotonic() + (self.plan.duration or float("inf"))
        next_line = time.monotonic() + LINES
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while not self._over(until) and not self._collected():
                observer.watch(min(0.25, max(0.0, until - time.monotonic())))
                self._mend(env)
                if self.console.is_terminal:
                    live.update(screen(observer.seen, self.plan.title, api), refresh=True)
                elif time.monotonic() >= next_line:
                    next_line += LINES
                    self.console.print(line(observer.seen), soft_wrap=True)

    def _over(self, until: float) -> bool:
        orphaned = os.environ.get("LOCKSTEP_STOP_WITH_PARENT") == "1" and os.getppid() != self.parent
        return self.stopped or orphaned or time.monotonic() >= until

    def _collected(self) -> bool:
        """Whether the source ended well."""
        code = self.children.returncode("collect")
        if code not in (None, 0):
            raise UserError(f"the collector ended with {code}:\n{self.children.tail('collect')}", _exit(code))
        return code == 0

    def _mend(self, env: dict[str, str]) -> None:
        """Start the flow or the API again when it died; say why when that would not help."""
        again = {"flow": ["run", self.plan.flow.value, "--processes", str(self.plan.processes)], "api": ["serve"]}
        for name in again:
            code = self.children.returncode(name)
            if code is None:
                continue
            if code in FINAL or self.restarts >= RESTARTS:
                raise UserError(f"{name} ended with {code}:\n{self.children.tail(name)}", _exit(code))
            self.restarts += 1
            self.console.print(f"{name} ended with {code}; starting it again")
            self.children.stop(name)
            self._start(name, again[name], env)

    def _finish(self, observer: Observer) -> None:
        """Stop collecting, let the flow catch up, stop the rest."""
        self.children.stop("collect", grace=30.0)
        observer.watch(0.2)
        until = time.monotonic() + CATCH_UP
        while observer.catching_up() and time.monotonic() < until and self.children.returncode("flow") is None:
            observer.watch(0.2)
        self.children.stop("flow", grace=3.0)

    def _api_address(self, path: Path) -> str:
        """Where the API listens, and that its key is in a file for the user alone."""
        until = time.monotonic() + START
        while not path.exists():
            if (code := self.children.returncode("api")) is not None:
                raise UserError(f"the API ended with {code}:\n{self.children.tail('api')}", _exit(code))
            if time.monotonic() > until:
                raise UserError(f"the API does not listen after {START:.0f} s:\n{self.children.tail('api')}", 3)
            time.sleep(0.02)
        url = json.loads(path.read_text())["url"]
        return f"{url}  (key: {self.context.home / 'api-key'})"

    def _stop(self, number: int, frame: object) -> None:
        self.stopped = True


def refuse_older_session(log: Log, plan: Plan, shards: int) -> None:
    """A recording cannot stand behind later events: its clock would never move. Embedded logs begin anew instead."""
    if not plan.begins_anew or not any(info.name == "events" for info in log.topics()):
        return
    if any(log.end("events", shard) for shard in range(shards)):
        raise UserError(
            f"SOURCE={plan.source} SPEED={plan.speed} begins at a time of its own, but the topic events holds"
            " records already. Set another LOCKSTEP_TOPIC_PREFIX, or delete the topic;"
            " the embedded log begins anew by itself.",
            Exit.DATA,
        )


def summary(seen: Seen, session: Path, restarts: int) -> str:
    """What a person wants to know afterwards."""
    p50, p99 = (seen.percentile(share) for share in (0.5, 0.99))
    latency = f"p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms" if p50 is not None and p99 is not None else "-"
    return (
        f"\n[bold]Done.[/] {seen.events:,} events -> {seen.vectors:,} feature vectors of {len(seen.newest)} symbols;"
        f" {seen.quality:,} quality records, {seen.dead_letters:,} dead letters, {restarts} restarts.\n"
        f"append -> feature {latency}; books in sync {seen.books_in_sync}/{len(seen.newest)}.\n"
        f"The log is in {session}. Look at it with: lockstep log ls; lockstep log tail features; lockstep parity"
    )


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One run per home at a time; the lock dies with its process."""
    with (home / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UserError(
                f"process {lock.read().strip() or '?'} already runs a dataflow in {home}:"
                " stop it, or set LOCKSTEP_HOME",
                Exit.HELD,
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _exit(code: int | None) -> int:
    return code if code in {int(known) for known in Exit} and code else int(Exit.UNAVAILABLE)
