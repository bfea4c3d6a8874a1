"""Fixtures of the flows' tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.flows.programs import Program
from tests.installation import Installation


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts verbs of an installation in the background; none of them outlives the test."""
    programs: list[Program] = []

    def start(installation: Installation, *arguments: str) -> Program:
        programs.append(Program(installation, *arguments))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
