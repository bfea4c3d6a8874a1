"""What can go wrong with a version of a feature registry; each error says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from learning.registries.compare import gathered


class RegistriesError(Exception):
    """Something about feature registries that a person can act on."""


class UnknownVersion(RegistriesError):
    """There is no such version."""


class NoneActive(RegistriesError):
    """No version is active."""


class VersionExists(RegistriesError):
    """The version is there already; versions are never used again."""


class Invalid(RegistriesError):
    """A registry was refused. ``problems`` has every reason."""

    def __init__(self, version: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"feature registry {version} is refused; correct it and try again:\n{listed}")


class NotAcknowledged(RegistriesError):
    """A version would break what relies on the one before, and nobody said that this is known."""

    def __init__(self, version: str, before: str, breaking: Sequence[str], warnings: Sequence[str]) -> None:
        self.breaking, self.warnings = list(breaking), list(warnings)
        listed = "\n".join(f"  {change}" for change in gathered(breaking))
        super().__init__(
            f"feature registry {version} breaks what relies on {before}; to activate it nevertheless, acknowledge the"
            f" breaking changes (acknowledge_breaking_changes, --acknowledge):\n{listed}"
        )


class NoWayBack(RegistriesError):
    """There is no version before the active one."""


class InUse(RegistriesError):
    """A version is needed, so it stays."""


class Busy(RegistriesError):
    """Somebody else is changing what is in force."""


@dataclass(frozen=True)
class Rollback:
    """A return to the version before. ``rolled_back_to`` None: there was none. ``ts`` in microseconds UTC."""

    rolled_back_from: str
    rolled_back_to: str | None
    reason: str
    ts: int


class ActivationFailed(RegistriesError):
    """A version could not be put in force; the one before is. ``rollback`` says so as an object."""

    def __init__(self, rollback: Rollback) -> None:
        self.rollback = rollback
        back = f"{rollback.rolled_back_to} stays in force" if rollback.rolled_back_to else "nothing was changed"
        super().__init__(f"feature registry {rollback.rolled_back_from} was not activated, {back}: {rollback.reason}")
