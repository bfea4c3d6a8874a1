"""What the API may have fetched from the exchange."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operators.registry import Registry


@dataclass(frozen=True)
class BackfillRules:
    """Whether history is fetched, also by itself for datasets, and how many days at once.

    ``active`` says which version of the feature registry is in force.
    """

    enabled: bool = False
    auto: bool = False
    max_days: int = 90
    active: Callable[[], str] = lambda: ""

    def registry(self, registries: "Callable[[str], Registry]") -> "Registry":
        """The registry in force.

        Raises:
            LookupError: where there is none.
        """
        return registries(self.active())
