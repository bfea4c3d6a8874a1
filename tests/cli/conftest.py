"""Fixtures: a home, and nothing of it left when the test is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home in which nothing ran yet."""
    yield from temporary(tmp_path / "home")


def temporary(folder: Path) -> Iterator[Home]:
    """A home whose processes are killed afterwards, also when a test failed in the middle."""
    home = Home(folder)
    try:
        yield home
    finally:
        home.kill_everything()
