"""One live paper run, and everything that a backtest of it needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.postgres.embedded import EmbeddedPostgres
from tests.installation import Installation

STRATEGIES = {
    "calm": """
strategy: calm
symbols: [BTCUSDT, ETHUSDT]
mode: warmup
warmup: {frequency: 6, randomness: 0.8}
""",
    "bold": """
strategy: bold
symbols: [BTCUSDT]
mode: warmup
warmup: {frequency: 20, randomness: 1}
exits:
  cooldown: 5
  take_profit: {percent: 0.05}
  stop_loss: {percent: -0.05}
""",
}
SECONDS = 300


def installation(folder: Path, database_url: str = "") -> Installation:
    """A home with strategies of its own."""
    made = Installation(folder / "home", database_url, None)
    made.flow = "trading"
    strategies = folder / "strategies"
    strategies.mkdir(parents=True)
    for name, text in STRATEGIES.items():
        (strategies / f"{name}.yaml").write_text(text)
    made.settings["LOCKSTEP_STRATEGIES"] = str(strategies)
    return made


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[Installation]:
    """Strategies in force, a demo session collected, and the live flow run over it on paper. Tests must not write."""
    made = installation(tmp_path_factory.mktemp("paper"), postgres.start())
    made.run("strategies", "apply")
    made.run("collect", "--source", "demo", "--speed", "max", "--seconds", str(SECONDS))
    made.run("run", "--until-end")
    yield made
