"""Migration scripts: what an activation does to stored metadata. They are read, and never run.

A script is text of lines such as ``rename rsi_14 to rsi``; empty lines and what follows ``#`` do not count. It says
which new feature continues which old one where their formulas do not show it. No other statement exists: a request, or
a row that another program wrote, must not be able to run code or SQL here.
"""

import re

from operators.registry import Registry

RENAME = re.compile(r"rename\s+(\w{1,100})\s+to\s+(\w{1,100})", re.ASCII | re.IGNORECASE)
LONGEST = 20_000


class ScriptError(ValueError):
    """A script that says something else, or something that is not so."""


def renames_of(script: str | None) -> dict[str, str]:
    """New names by old ones.

    Raises:
        ScriptError: naming the line that is none of ours.

    >>> renames_of("# shorter\\nrename rsi_14 to rsi")
    {'rsi_14': 'rsi'}
    >>> renames_of("drop table orders")
    Traceback (most recent call last):
        ...
    learning.registries.scripts.ScriptError: migration_script, line 1: 'drop table orders' is not understood; ...
    """
    found: dict[str, str] = {}
    if script and len(script) > LONGEST:
        raise ScriptError(f"migration_script: longer than {LONGEST} characters")
    for number, line in enumerate((script or "").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not (parts := RENAME.fullmatch(text)):
            raise ScriptError(
                f"migration_script, line {number}: {text[:80]!r} is not understood; the only statement is"
                " 'rename OLD to NEW': scripts describe metadata, nothing of them is executed"
            )
        old, new = parts.groups()
        if old in found or new in found.values():
            raise ScriptError(f"migration_script, line {number}: {old if old in found else new} stands there twice")
        found[old] = new
    return found


def check(renames: dict[str, str], before: Registry | None, after: Registry) -> None:
    """Whether a script fits the registries between which it stands.

    Raises:
        ScriptError: naming a feature that was not there before, is not there now, or did not go away.
    """
    old = {entry.name for entry in before.entries} if before else set()
    new = {entry.name for entry in after.entries}
    for was, now in renames.items():
        if was not in old:
            raise ScriptError(f"migration_script: rename {was} to {now}: {_of(before)} has no feature {was}")
        if now not in new:
            raise ScriptError(f"migration_script: rename {was} to {now}: {after.version} has no feature {now}")
        if was in new or now in old:
            kept = was if was in new else now
            raise ScriptError(f"migration_script: rename {was} to {now}: {kept} is in both versions")


def _of(registry: Registry | None) -> str:
    return registry.version if registry else "the version before"
