"""What ``run-dataflow`` was asked for."""

from dataclasses import dataclass

from cli import sessions
from cli.collect import feed_of, parse_speed
from cli.context import UserError
from cli.flows import Flow
from cli.settings import SYMBOL, Settings

LIVE = ("bybit", "ws-gateway")
"""Sources that go on for ever."""
EXCHANGES = ("demo", *LIVE)


@dataclass(frozen=True)
class Plan:
    """One run: where market data come from, how fast (None: at full speed), what is made of them, for how long."""

    source: str
    symbols: tuple[str, ...]
    speed: float | None
    flow: Flow
    processes: int = 1
    duration: float = 0.0
    """Seconds; 0: until Ctrl-C."""
    live: bool = False
    """Whether an order-manager executes the signals, and the bridge must run."""
    learns: bool = False
    """Whether some strategy trains models."""
    fetches: bool = False
    """Whether history that somebody asks for is fetched from the exchange."""

    @property
    def pace(self) -> str:
        return "max" if self.speed is None else f"{self.speed:g}"

    @property
    def title(self) -> str:
        """What runs, in one line."""
        return f"Lockstep  {self.flow.value} flow  source {self.source}  speed {self.pace}"

    @property
    def begins_anew(self) -> bool:
        """Whether the source tells a story with a beginning of its own, which a log can hold only once."""
        return self.source not in LIVE and not (self.source == "demo" and self.speed == 1.0)

    @property
    def session(self) -> str:
        """Whose log it is. A demo in virtual time has one of its own, so that the one in real time can go on."""
        if self.source in EXCHANGES:
            return f"{self.source}-virtual" if self.begins_anew else self.source
        return sessions.name_of(self.source)

    @property
    def followers(self) -> tuple[str, ...]:
        """The children that read what others write, in the order in which they can finish."""
        return ("flow", "persist", "archive") if self.flow is Flow.trading else ("flow", "archive")

    def commands(self) -> dict[str, list[str]]:
        """The verb and options of each child, by its name, in the order in which they are started."""
        trading = {"persist": ["persist"]} if self.flow is Flow.trading else {}
        learn = {"learn": ["learn"]} if self.learns else {}
        bridge = {"bridge": ["bridge", "--every", "0"]} if self.live else {}
        backfill = {"backfill": ["backfill", "work"]} if self.fetches else {}
        market = ["--source", self.source, "--symbols", ",".join(self.symbols), "--speed", self.pace]
        collect = [*market, "--flow", self.flow.value]
        return {
            "flow": ["run", self.flow.value, "--processes", str(self.processes)],
            **trading,
            "archive": ["archive", "run"],
            **learn,
            **bridge,
            **backfill,
            "api": ["serve"],
            "collect": ["collect", *collect],
        }


def plan(
    settings: Settings,
    source: str | None,
    symbols: str | None,
    speed: str | None,
    flow: Flow | None,
    processes: int,
    duration: float | None,
) -> Plan:
    """The settings with what the command line says otherwise.

    Raises:
        UserError: when there is no such source, or when it cannot be read, before anything starts.
    """
    wanted = Plan(
        source or settings.source,
        parse_symbols(symbols) if symbols else tuple(settings.symbols),
        parse_speed(str(settings.speed) if speed is None else speed),
        flow or Flow(settings.flow),
        processes,
        settings.duration or 0.0 if duration is None else duration,
    )
    if wanted.source not in EXCHANGES:
        feed_of(wanted.source, list(wanted.symbols), wanted.speed)
    return wanted


def parse_symbols(text: str) -> tuple[str, ...]:
    """Symbols from a command line.

    >>> parse_symbols("btcusdt, ETHUSDT")
    ('BTCUSDT', 'ETHUSDT')

    Raises:
        UserError: for what is none.
    """
    names = [name.strip().upper() for name in text.split(",")]
    if wrong := [name for name in names if not SYMBOL.fullmatch(name)]:
        raise UserError(f"SYMBOLS={text}: {wrong[0]!r} is no symbol; say names such as BTCUSDT,ETHUSDT")
    return tuple(dict.fromkeys(names))
