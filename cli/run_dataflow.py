"""``lockstep run-dataflow``: the main job, end to end, with a live view."""

import json
import os
import shutil
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cli import sessions
from cli.alone import alone
from cli.cluster import FINAL
from cli.context import Context, Exit, UserError, amqp_url
from cli.flows import Flow
from cli.observe import Observer
from cli.plan import EXCHANGES, Plan, plan
from cli.processes import GRACE, HURRY, Processes
from cli.registries import start_registry
from cli.screen import line, screen, summary
from cli.strategies import account_of, in_force, strategies_of
from cli.topics import create_topics
from connectors.control import broadcast
from connectors.log import Log
from connectors.postgres.migrate import Migrator
from serving.keys import key_at

BEGIN = 30.0
"""Seconds after which DURATION counts though nothing was collected yet."""
LAST_WORDS = 40.0
"""Seconds for the collector to write what it has received; it waits 30 s for a log that is away."""
LINES = 5.0
"""Seconds between two lines where there is no terminal."""
RESTARTS = 10
"""Restarts within ``WINDOW`` seconds before giving up."""
WINDOW = 300.0
WITH_PARENT = "LOCKSTEP_STOP_WITH_PARENT"
"""Set by `make`, which passes a Ctrl-C on but not its own end. Not a setting: nobody else needs it."""
ALREADY = "process {pid} already runs a dataflow in this LOCKSTEP_HOME: stop it, or set another LOCKSTEP_HOME"


def run_dataflow(
    source: Annotated[str | None, typer.Option(help="demo, bybit, or a recorded file or folder.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Such as BTCUSDT,ETHUSDT.")] = None,
    speed: Annotated[str | None, typer.Option(help="1, 10, another number, or max.")] = None,
    flow: Annotated[Flow | None, typer.Option(help="Which flow.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes of the flow.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Seconds to run from the first event on; 0: until Ctrl-C.")
    ] = None,
) -> None:
    """Collect market data, run the flow and the API, and show what happens, until Ctrl-C or DURATION."""
    parent = os.getppid() if os.environ.pop(WITH_PARENT, "") == "1" else None
    with Context() as context:
        wanted = plan(context.settings, source, symbols, speed, flow, processes, duration)
        context.registry_file()  # refused here rather than by a child
        if wanted.flow is Flow.trading and account_of(context).kind == "live":
            amqp_url(context.settings)  # signals for an order-manager that nobody can reach would be lost on it
            wanted = replace(wanted, live=True)
        if wanted.flow is Flow.trading:
            learning = [one.learning.training.enabled for one in strategies_of(context)]
            wanted = replace(wanted, learns=any(learning))
        if context.settings.backfill_enabled and wanted.source in EXCHANGES:
            wanted = replace(wanted, fetches=True)
        with alone(context.path("run.lock"), ALREADY):
            Run(context, wanted, parent).go()


class Run:
    """One run: what it started, and how it ends. It does not outlive ``parent``, where there is one."""

    def __init__(self, context: Context, wanted: Plan, parent: int | None = None) -> None:
        self.context = context
        self.plan = wanted
        self.commands = wanted.commands()
        self.console = Console(highlight=False)
        self.parent = parent
        self.told = False
        self.hint = "Ctrl-C ends the run."
        self.restarts: list[float] = []
        self.mended = 0
        self.next_line = time.monotonic() + LINES
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._tell)

    def go(self) -> None:
        """Start everything, show it, stop everything."""
        context = self.context
        self._say(f"{self.plan.title}  home {context.home}")
        self.control = in_force(context, strategies_of(context)) if self.plan.flow is Flow.trading else []
        self.children = Processes(context.home / "processes", context.home / "logs")
        try:
            log = self._prepare()
            self.observer = Observer(log, context.settings.shards)
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            with self.live if self.console.is_terminal else nullcontext():
                for name in self.commands:
                    self._start(name)
                self._watch()
                self._finish()
            log.close()
        finally:
            self.children.stop_all(HURRY if self.told else GRACE)
        where = context.settings.kafka_bootstrap_servers or str(context.session)
        typed = sys.argv[0] if Path(sys.argv[0]).name == "lockstep" else "lockstep"
        text = summary(self.observer.seen, where, self.mended, typed)
        self.console.print(text, markup=False, soft_wrap=not self.console.is_terminal)

    def _prepare(self) -> Log:
        """The log, empty where the source begins anew, and everything that the children expect to be there."""
        context = self.context
        self._show_key()
        sessions.choose(context.home, self.plan.session, fresh=self.plan.begins_anew)
        if self.plan.begins_anew and context.settings.kafka_bootstrap_servers is None:
            shutil.rmtree(context.archive, ignore_errors=True)  # of the log that is gone, wherever it lies
        self.env = {"DATABASE_URL": context.database_url()}
        Migrator(self.env["DATABASE_URL"]).up()
        log = context.open_log()
        refuse_older_session(log, self.plan, context.settings.shards)
        create_topics(log, context.settings)
        for warning in start_registry(context):
            self._say(warning)
        if self.plan.flow is Flow.trading:
            broadcast(log, context.settings.shards, self.control)
        return log

    def _show_key(self) -> None:
        """Make the key before the API does, which would show it in its log."""
        path = self.context.path("api-key")
        if self.context.settings.api_key is None:
            key, made = key_at(path)
            if made:
                self._say(f"API key (shown once, kept in {path}): {key}")

    def _start(self, name: str) -> None:
        if name == "api":
            (self.context.home / "api.json").unlink(missing_ok=True)
        self.children.start(name, [sys.executable, "-m", "cli.main", *self.commands[name]], self.env)

    def _watch(self) -> None:
        """Show what happens until the source ends or it is time to stop."""
        begin, until = time.monotonic(), float("inf")
        while not self._over() and time.monotonic() < until and self.children.returncode("collect") != 0:
            self._look(min(0.25, max(0.0, until - time.monotonic())))
            self._mend()
            begun = self.observer.seen.events or time.monotonic() > begin + BEGIN
            if until == float("inf") and self.plan.duration and begun:
                until = time.monotonic() + self.plan.duration

    def _finish(self) -> None:
        """Stop collecting, and let the flow finish what was collected, unless we are told to stop once more."""
        self.told = False
        self.hint = "Finishing what was collected. Ctrl-C ends the run at once."
        learner = ("learn",) if self.plan.learns else ()
        for name in learner:
            self.children.tell(name)  # it has children of its own to end, and gives way to everybody: ask it first
        ended = ("collect", *self.plan.followers, *learner)
        for name in ended:
            self._end(name)
        commands = {name: self.commands.pop(name) for name in ended}
        for name in self.plan.followers if self.observer.seen.events else ():
            if name != "flow" or self.children.returncode(name) != 0:
                self._catch_up(name, [*commands[name], "--until-end"])

    def _catch_up(self, name: str, command: list[str]) -> None:
        """Run a child once more, to where the log ends now."""
        if self._over():
            return
        self.commands[name] = command
        self._start(name)
        while self.children.returncode(name) != 0 and not self._over():
            self._look()
            self._mend(finished=name)
        del self.commands[name]

    def _end(self, name: str) -> None:
        """Ask a child to end and show what happens until it did; who does not in time is ended with all the rest."""
        self.children.tell(name)
        until = time.monotonic() + LAST_WORDS
        while self.children.returncode(name) is None and not self._over() and time.monotonic() < until:
            self._look(seconds=0.05)

    def _look(self, seconds: float = 0.25) -> None:
        """Observe for a moment and show it."""
        self.observer.watch(seconds)
        if self.console.is_terminal:
            view = screen(self.observer.seen, self._api(), self.hint, *self.console.size)
            self.live.update(view, refresh=True)
        elif time.monotonic() >= self.next_line:
            self.next_line += LINES
            self._say(line(self.observer.seen))

    def _mend(self, finished: str = "collect") -> None:
        """Start what died again; say why when that would not help. ``finished`` may end well."""
        self.children.guard()
        for name in self.commands:
            code = self.children.returncode(name)
            if code is None or (code == 0 and name == finished):
                continue
            now = time.monotonic()
            self.restarts = [then for then in self.restarts if now - then < WINDOW]
            once = name == "collect" and self.plan.begins_anew
            if once or code in FINAL or len(self.restarts) >= RESTARTS:
                raise UserError(f"{name} ended with {code}:\n{self.children.tail(name)}", _exit(code))
            self.restarts.append(now)
            self.mended += 1
            self._say(f"{name} ended with {code}; starting it again")
            self._start(name)

    def _over(self) -> bool:
        return self.told or (self.parent is not None and os.getppid() != self.parent)

    def _api(self) -> str:
        """Where the API listens, and that its key is in a file for the user alone."""
        try:
            url = json.loads((self.context.home / "api.json").read_text())["url"]
        except FileNotFoundError:
            return "starting"
        return str(url) if self.context.settings.api_key else f"{url}  (X-API-Key: {self.context.home / 'api-key'})"

    def _say(self, text: str) -> None:
        """Text as it is, for the terminal to wrap: paths and keys are there to be copied."""
        self.console.print(text, markup=False, soft_wrap=True)

    def _tell(self, number: int, frame: object) -> None:
        self.told = True


def refuse_older_session(log: Log, wanted: Plan, shards: int) -> None:
    """A recording cannot stand behind later events: its clock would never move. Embedded logs begin anew instead."""
    if not wanted.begins_anew or not any(info.name == "events" for info in log.topics()):
        return
    if any(log.end("events", shard) for shard in range(shards)):
        raise UserError(
            f"SOURCE={wanted.source} SPEED={wanted.pace} begins at a time of its own, but the topic events holds"
            " records already. Set another LOCKSTEP_TOPIC_PREFIX, or delete the topic;"
            " the embedded log begins anew by itself.",
            Exit.DATA,
        )


def _exit(code: int) -> int:
    return code if code in {int(known) for known in Exit} and code else int(Exit.UNAVAILABLE)
