"""The feature registries of an installation: their files, where their versions are, and what is in force at a start."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from cli.context import REGISTRIES, Context, UserError

if TYPE_CHECKING:
    from learning.registries.files import RegistryFiles
    from learning.registries.where import Where
    from operators.registry import Registry


def registry_of(context: Context, version: str) -> "Registry":
    """The registry of a version, checked.

    Raises:
        LookupError: where there is none, naming those that there are, or where it is refused.
    """
    from learning.registries.errors import Invalid, UnknownVersion  # a second, which not every verb need wait

    try:
        return files_of(context).registry(version)
    except (UnknownVersion, Invalid) as error:
        raise LookupError(str(error)) from error


def files_of(context: Context) -> "RegistryFiles":
    """Those that come along, those that were created here, and the one that the settings name."""
    from learning.registries.files import RegistryFiles

    named: Path | None = None
    with suppress(UserError):
        named = context.registry_file()
    return RegistryFiles(REGISTRIES, context.registries, named)


def where_of(context: Context, url: str | None = None) -> "Where":
    """Where the versions are; ``url`` is that of the database, by default as the settings name it."""
    from learning.registries.where import Where

    settings = context.settings
    return Where(
        files_of(context),
        url or context.database_url(),
        context.open_log,
        lambda: named_version(context),
        settings.topic_prefix,
        settings.symbols,
    )


def named_version(context: Context) -> str:
    """The version that the settings name.

    Raises:
        UserError: when there is no such file, or it does not say which version it is.
    """
    from learning.registries.files import version_in

    file = context.registry_file()
    if version := version_in(file):
        return version
    context.registry()
    raise UserError(f"the feature registry {file} does not say which version it is")


def active_version(context: Context, url: str) -> str:
    """The version that is active; without a database, or before anything is, that of the settings."""
    from learning.registries import versions
    from learning.registries.errors import NoneActive

    with suppress(NoneActive, psycopg.Error):
        return str(versions.active(where_of(context, url))["version"])
    return context.registry().version


def start_registry(context: Context, url: str | None = None) -> list[str]:
    """Have log and tables say what is in force; what a person should know of it. ``url``: see ``where_of``.

    Raises:
        UserError: when the registry of the settings is needed and cannot be used.
    """
    from learning.registries.errors import RegistriesError
    from learning.registries.start import start

    settings = context.settings
    legacy = settings.legacy_registry if settings.migrate_registry else None
    try:
        return start(where_of(context, url), legacy, settings.registry_from_table).warnings
    except RegistriesError as error:
        raise UserError(str(error)) from error
