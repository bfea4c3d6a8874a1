"""What every verb needs: the log, the database, the registry, log lines, and errors a person can act on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psycopg
import structlog
import typer
from rich.console import Console

from cli import sessions
from cli import settings as sources
from cli.settings import Settings, SettingsError, read_settings
from connectors.log import Log, LogError, LogUnavailable, open_log
from connectors.log.prefixed import PrefixedLog
from connectors.postgres.embedded import EmbeddedPostgres
from connectors.postgres.lease import LeaseHeld, LeaseUnavailable
from connectors.postgres.migrate import MigrationError
from connectors.postgres.program import PostgresError

if TYPE_CHECKING:
    from operators.registry import Registry

CONFIG = Path(__file__).resolve().parents[1] / "config"
REGISTRIES = CONFIG / "feature_registry"


class Exit(IntEnum):
    """What a program that calls us may rely on. Documented in README; never renumbered."""

    OK = 0
    FAILED = 1
    """A check found what it looks for: a mismatch, a stale file."""
    USAGE = 2
    """A setting, an option or a configuration file is wrong."""
    UNAVAILABLE = 3
    """The log, the database or another server is away."""
    DATA = 4
    """What is stored cannot be used: trimmed offsets, changed migrations."""
    HELD = 5
    """Somebody else already does this: a second writer, a port in use."""


class UserError(Exception):
    """Something a person can put right: a clear message and the exit code."""

    def __init__(self, message: str, exit_code: int = Exit.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = int(exit_code)


KINDS: tuple[tuple[type[Exception], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (LeaseHeld, Exit.HELD),
    (LeaseUnavailable, Exit.UNAVAILABLE),
    (LogUnavailable, Exit.UNAVAILABLE),
    (PostgresError, Exit.UNAVAILABLE),
    (psycopg.OperationalError, Exit.UNAVAILABLE),
    (MigrationError, Exit.DATA),
    (LogError, Exit.DATA),
)
"""Errors that are no bugs of ours; the first kind that fits decides."""


def as_user_error(error: Exception) -> UserError | None:
    """The error as a person should see it; None for a bug of ours, which deserves its traceback."""
    if isinstance(error, UserError):
        return error
    for kind, code in KINDS:
        if isinstance(error, kind):
            return UserError(str(error).strip(), code)
    return None


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors that a person can act on into one paragraph on standard error and an exit code."""
    try:
        yield
    except Exception as error:
        if not (clear := as_user_error(error)):
            raise
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]lockstep:[/] {_escaped(clear.message)}")
        raise SystemExit(clear.exit_code) from error


def run(app: Callable[[], object]) -> NoReturn:
    """The body of the ``lockstep`` command."""
    with clear_errors():
        app()
    raise SystemExit(Exit.OK)


def read() -> Settings:
    """The settings of this program, with a warning for each variable that looks like one and is none."""
    settings = read_settings()
    for line in sources.warnings():
        typer.echo(f"lockstep: {line}", err=True)
    return settings


class Context:
    """The program's settings and what they stand for. Close it to let go of the embedded database."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or read()
        configure_logging(self.settings.log_format)
        self._postgres: EmbeddedPostgres | None = None

    @property
    def home(self) -> Path:
        """Where everything that is stored here lives; made on first use."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        return self.settings.home

    def path(self, *parts: str) -> Path:
        """A file or folder below home; the folder above it is made."""
        path = self.home.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def session(self) -> Path:
        """Where the embedded log in use and the recovery state of its flows are."""
        return sessions.current(self.home)

    @property
    def models(self) -> Path:
        """Where model files live."""
        return self.settings.models or self.home / "models"

    @property
    def registries(self) -> Path:
        """Where feature registries live that were created here."""
        return self.settings.registries or self.home / "feature_registry"

    @property
    def datasets(self) -> Path:
        """Where datasets live."""
        return self.settings.datasets or self.home / "datasets"

    @property
    def archive(self) -> Path:
        """Where the events of the log in use are archived: one folder a log."""
        own = self.session
        return own / "archive" if self.settings.archive is None else self.settings.archive.absolute() / own.name

    def open_log(self, source: str = "log") -> Log:
        """The log that the settings name: Kafka, or the embedded one of the session in use.

        ``source``: where its events are read from: ``log``, or ``archive`` as far as that reaches; or ``history``, with
        what was fetched from the exchange where it belongs, to be read only.
        """
        log = open_log(self.settings.kafka_bootstrap_servers, self.session / "log", sources.kafka_settings())
        if self.settings.topic_prefix:
            log = PrefixedLog(log, self.settings.topic_prefix)
        return log if source == "log" else self._past(log, source)

    def _past(self, log: Log, source: str) -> Log:
        from connectors.archive.layout import CATALOGUE
        from connectors.archive.log import ArchiveLog  # half a second, which most verbs need not wait

        if source == "archive":
            return ArchiveLog(log, self.archive)
        if (self.archive / CATALOGUE).exists():
            log = ArchiveLog(log, self.archive)
        from connectors.history.log import HistoryLog

        return HistoryLog(log, self.archive)

    def database_url(self) -> str:
        """The database that the settings name; the embedded one is started and held until ``close``."""
        if self.settings.database_url:
            return self.settings.database_url.get_secret_value()
        self._postgres = self._postgres or EmbeddedPostgres(self.path("postgres"))
        return self._postgres.start()

    def registry_file(self) -> Path:
        """The registry's file.

        Raises:
            UserError: when there is none, with the versions that there are.
        """
        wanted = self.settings.registry
        folders = self.registries, REGISTRIES
        for path in (Path(wanted), *(folder / f"{wanted}.yaml" for folder in folders)):
            if path.is_file():
                return path
        known = ", ".join(sorted(path.stem for folder in folders for path in folder.glob("*.yaml")))
        raise UserError(f"LOCKSTEP_REGISTRY={wanted} is neither a file nor one of the versions here: {known}")

    def registry(self) -> "Registry":
        """The feature registry that the settings name, checked.

        Raises:
            UserError: when it is refused, with every reason.
        """
        from operators.registry import RegistryError, parse_registry  # a second, which most verbs need not wait

        file = self.registry_file()
        try:
            return parse_registry(file.read_text(encoding="utf-8"), where=str(file))
        except RegistryError as error:
            raise UserError(str(error)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the feature registry {file} cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of the embedded database; it stops when nobody else holds it."""
        if self._postgres:
            self._postgres.stop()
            self._postgres = None

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def amqp_url(settings: Settings) -> str:
    """Where RabbitMQ is.

    Raises:
        UserError: when the settings do not say.
    """
    if settings.amqp_url is None:
        raise UserError("AMQP_URL is not set: say where RabbitMQ is, such as amqp://user:password@host:5672/")
    return settings.amqp_url.get_secret_value()


def configure_logging(log_format: str) -> None:
    """Log lines on standard error, as what a verb says is on standard output: for a terminal, or as JSON objects."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    if log_format == "json":
        last = [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
