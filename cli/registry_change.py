"""``lockstep registry create``, ``activate``, ``rollback``, ``reload``, ``delete`` and ``sync``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.context import UserError
from cli.registry_place import AsJson, Version, place, say, text, you
from reports.chart import at as shown

if TYPE_CHECKING:
    from learning.registries.activation import Activated

Reason = Annotated[str, typer.Option(help="Why, for the record.")]
By = Annotated[str, typer.Option(help="Who, for the record; default: you.")]
Acknowledge = Annotated[
    bool, typer.Option("--acknowledge", help="It is known that readers of the vectors will notice.")
]
LONGEST = 200


def create(
    file: Annotated[Path, typer.Argument(help="The registry, as YAML or JSON.")],
    version: Annotated[str | None, typer.Option(help="Default: the one that the file says.")] = None,
    script: Annotated[Path | None, typer.Option(help="Lines of the form: rename OLD to NEW.")] = None,
    reason: Reason = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Make a version of a file; activate puts it in force."""
    from learning.registries import versions
    from learning.registries.files import version_in
    from operators.registry import RegistryError
    from operators.registry.parse import load

    try:
        config = dict(load(text(file), str(file)))
    except RegistryError as error:
        raise UserError(str(error)) from error
    name = version or version_in(file) or ""
    if version:
        config["version"] = version
    with place() as where:
        row = versions.create(where, name, config, by or you(), reason[:LONGEST], text(script) if script else None)
    say(row) if as_json else typer.echo(f"{row['version']} is made: {row['file_path']}")


def activate(
    version: Version, acknowledge: Acknowledge = False, reason: Reason = "", by: By = "", as_json: AsJson = False
) -> None:
    """Put a version in force on every shard, after checking, comparing and trying it. No restart."""
    from learning.registries import activation

    with place(topics=True) as where:
        done = activation.activate(where, version, by or you(), reason[:LONGEST], acknowledge)
    _say_activated(done, as_json)


def rollback(reason: Reason = "", by: By = "", as_json: AsJson = False) -> None:
    """Return to the version before the one in force."""
    from learning.registries import activation

    with place(topics=True) as where:
        back, done = activation.rollback(where, by or you(), reason[:LONGEST])
    if as_json:
        say({**asdict(back), "begins": done.begins, "confirmed": done.confirmed})
        return
    typer.echo(f"back from {back.rolled_back_from} to {back.rolled_back_to}, {_from(done)}")


def reload(acknowledge: Acknowledge = False, by: By = "", as_json: AsJson = False) -> None:
    """Read the file of the version in force again and, where it changed, put what it says in force."""
    from learning.registries import activation

    with place(topics=True) as where:
        done = activation.reload(where, by or you(), acknowledge)
    _say_activated(done, as_json)


def delete(version: Version, reason: Reason = "", by: By = "") -> None:
    """Delete a version that nobody needs, with its file."""
    from learning.registries import versions

    with place() as where:
        versions.delete(where, version, by or you(), reason[:LONGEST])
    typer.echo(f"deleted {version}")


def sync(
    version: Annotated[str | None, typer.Argument(help="Default: all of them, both ways.")] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Have the table say what the files say, and write files again that are gone. What is in force stays so."""
    from learning.registries import versions

    with place() as where:
        if version:
            check = versions.sync_file(where, version, by or you())
            told: dict[str, Any] = {"version": version, "is_valid": not check.problems, **asdict(check)}
        else:
            told = asdict(versions.synchronise(where, by or you()))
    if as_json:
        say(told)
        return
    for name, value in told.items():
        typer.echo(f"{name:18} {_listed(value)}")


def _say_activated(done: "Activated", as_json: bool) -> None:
    if as_json:
        say({**asdict(done), "activated": True, "hot_reload": True})
        return
    typer.echo(f"{done.version} follows {done.previous or 'none'}, {_from(done)}")
    from learning.registries.compare import gathered

    for line in gathered([*done.breaking, *done.warnings]):
        typer.echo(f"  {line}")


def _from(done: "Activated") -> str:
    if done.begins is None:
        return "in force already"
    said = "every shard uses it" if done.confirmed else "no flow has said yet that it uses it"
    return f"in force from {shown(done.begins)} on ({said})"


def _listed(value: Any) -> str:
    """Lists, and what is wrong with which version, on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {', '.join(problems)}" for name, problems in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
