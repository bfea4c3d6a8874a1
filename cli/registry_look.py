"""``lockstep registry list``, ``show``, ``validate``, ``usage``, ``history`` and ``compare``: nothing is changed."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.context import Exit
from cli.registry_place import AsJson, Version, moment, place, say, text


def list_versions(as_json: AsJson = False) -> None:
    """Every version, the newest first: whether it is in force, valid, and who uses it."""
    from learning.registries import versions

    with place() as where:
        rows = versions.versions(where)
    if as_json:
        say(rows)
        return
    table = Table("version", "in force", "valid", "created", "by", "uses", "before it", box=None)
    for row in rows:
        valid = "no" if row["validation_errors"] else "yes" if row["validated_at"] else "-"
        told = ["yes" if row["is_active"] else "", valid, moment(row["created_at"]), row["created_by"] or ""]
        table.add_row(row["version"], *told, f"{row['usage_count']:,}", row["previous_version"] or "")
    Console(highlight=False).print(table)


def show(
    version: Annotated[str | None, typer.Argument(help="Default: the one in force.")] = None, as_json: AsJson = False
) -> None:
    """Everything that is known of a version."""
    from learning.registries import versions

    with place() as where:
        row = versions.version(where, version) if version else versions.active(where)
    if as_json:
        say(row)
        return
    console = Console(highlight=False, soft_wrap=True)
    features = row.pop("config").get("features") or []
    for name, value in row.items():
        told = "; ".join(value) if isinstance(value, list) else moment(value) if isinstance(value, datetime) else value
        console.print(f"{name:24} {'-' if told in (None, '') else told}", markup=False)
    names = ", ".join(str(one.get("name")) for one in features if isinstance(one, dict))
    console.print(f"{f'{len(features)} features':24} {names}", markup=False)


def validate(
    version: Annotated[str | None, typer.Argument(help="A version or a file; default: the one in force.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with a version or a file; exit 1 if anything is."""
    from learning.registries import versions
    from learning.registries.files import read_text, version_in

    if version and (path := Path(version)).is_file():
        file = read_text(text(path), version_in(path) or path.name, path)
        name, problems, warnings = file.version, list(file.problems), file.warnings
    else:
        with place() as where:
            check = versions.validate(where, version)
        name, problems, warnings = check.version, check.problems, check.warnings
    if as_json:
        say({"version": name, "is_valid": not problems, "validation_errors": problems, "warnings": warnings})
    else:
        typer.echo(f"{name}: {'valid' if not problems else f'{len(problems)} problems'}")
        for line in [*problems, *(f"warning: {warning}" for warning in warnings)]:
            typer.echo(f"  {line}")
    if problems:
        raise typer.Exit(Exit.FAILED)


def usage(version: Version, as_json: AsJson = False) -> None:
    """Who needs a version, and whether it can be deleted."""
    from learning.registries import versions

    with place() as where:
        found = versions.usage(where, version)
    if as_json:
        say({**asdict(found), "can_delete": not found.reasons, "reasons": found.reasons})
        return
    vectors = "unknown" if found.vectors is None else f"{found.vectors:,}"
    typer.echo(f"{version}: {len(found.datasets)} datasets, {vectors} vectors in the last 24 hours of the log")
    typer.echo("it can be deleted" if not found.reasons else f"it stays: {'; '.join(found.reasons)}")


def history(
    version: Annotated[str | None, typer.Argument(help="Default: all of them.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Who changed what, when and why, the newest first."""
    from learning.registries import versions

    with place() as where:
        rows = versions.history(where, version, limit)
    if as_json:
        say(rows)
        return
    table = Table("time (UTC)", "what", "version", "before", "by", "first second", "why", box=None)
    for row in rows:
        begins = moment(row["begins"]) if row["begins"] else ""
        told = row["action"], row["version"], row["previous_version"] or "", row["changed_by"]
        table.add_row(moment(row["ts"]), *told, begins, row["reason"])
    Console(highlight=False).print(table if rows else "nothing was changed yet")


def compare(before: Version, after: Version, as_json: AsJson = False) -> None:
    """What changes for readers of the vectors when one version follows another; exit 1 if that breaks anything."""
    from learning.registries import versions
    from learning.registries.compare import gathered

    with place() as where:
        found = versions.comparison(where, before, after)
    if as_json:
        say({**asdict(found), "breaking_changes": found.breaking, "compatibility_warnings": found.warnings})
    else:
        for line in gathered(found.breaking) or ["nothing breaks"]:
            typer.echo(line)
        for line in gathered(found.warnings):
            typer.echo(f"(not breaking) {line}")
    if found.breaking:
        raise typer.Exit(Exit.FAILED)
