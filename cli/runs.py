"""The backtests of a home: where they are, and what each was asked."""

from pathlib import Path

import msgspec

from cli.context import Context, UserError
from dataflows.backtest import Request

ASKED = "asked.json"


class Asked(msgspec.Struct, frozen=True):
    """What it takes to find the events of a run again: the request, and the source as a person named it."""

    request: Request
    source: str
    seconds: float
    seed: int

    def write(self, folder: Path) -> None:
        """Leave it beside the run's log."""
        (folder / ASKED).write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path) -> "Asked":
        """What the run in ``folder`` was asked.

        Raises:
            UserError: when that cannot be read.
        """
        try:
            return msgspec.json.decode((folder / ASKED).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise UserError(f"{folder} is no backtest that can be gone into: {error}") from None


def runs_of(context: Context) -> Path:
    """The folder of all runs."""
    return context.path("backtests", "runs", "x").parent


def folder_of(context: Context, run: str) -> Path:
    """The folder of a run by its id.

    Raises:
        UserError: naming those that there are.
    """
    folder = runs_of(context) / run
    if not folder.is_dir() or run in ("", ".", ".."):
        known = ", ".join(sorted(found.name for found in runs_of(context).iterdir())) or "none"
        raise UserError(f"there is no backtest {run}; there are: {known}")
    return folder
