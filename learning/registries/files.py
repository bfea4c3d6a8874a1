"""The files of feature registries: which there are, what they say, and new ones. They are the truth."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from learning.registries.errors import Invalid, UnknownVersion, VersionExists
from learning.registries.plain import plain
from operators.registry import Problem, Registry, RegistryError, parse_registry
from operators.registry.parse import load
from schemas.registry import fingerprint

VERSION = re.compile(r"""^\{?\s*["']?version["']?\s*:\s*["']?([^"'\s#,}]+)""", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,49}")
"""Versions that may be created: they become names of files. Those of files that are there already are free text."""


class RegistryFile(NamedTuple):
    """A file and the version that it says it is; ``shipped``: it came with the program."""

    version: str
    path: Path
    shipped: bool


@dataclass(frozen=True)
class Read:
    """What a file says. ``registry`` is None where it is refused, for ``problems``."""

    version: str
    path: Path
    config: dict[str, Any]
    sha256: str
    registry: Registry | None
    problems: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What is odd, and no reason to refuse it."""
        return [str(problem) for problem in self.registry.warnings] if self.registry else []

    def valid(self) -> Registry:
        """The registry.

        Raises:
            Invalid: with every problem.
        """
        if self.registry is None:
            raise Invalid(self.version, self.problems)
        return self.registry


class RegistryFiles:
    """The registries that came along, those that were created here, and the one that the settings name.

    Args:
        shipped: the folder of those that came along; nothing is written there.
        own: the folder of those that are created; made when it is needed.
        named: a file outside of both.
    """

    def __init__(self, shipped: Path, own: Path, named: Path | None = None) -> None:
        self.shipped = shipped
        self.own = own
        self.named = named
        self._read: dict[Path, tuple[tuple[int, int], Read]] = {}

    def all(self) -> dict[str, RegistryFile]:
        """The files by version; of two with the same version the one that the settings name, else our own."""
        paths = [path for folder in (self.shipped, self.own) for path in sorted(folder.glob("*"))]
        found: dict[str, RegistryFile] = {}
        for path in [*paths, *([self.named] if self.named else [])]:
            if path.suffix in (".yaml", ".yml", ".json") and (version := version_in(path)):
                found[version] = RegistryFile(version, path, path.parent == self.shipped)
        return dict(sorted(found.items(), key=lambda one: in_order(one[0])))

    def find(self, version: str) -> RegistryFile:
        """The file of a version.

        Raises:
            UnknownVersion: naming those that there are.
        """
        known = self.all()
        if version not in known:
            raise UnknownVersion(f"feature registry {version} is not known; there are {', '.join(known)}")
        return known[version]

    def read(self, version: str) -> Read:
        """What a version's file says, whether or not it is valid.

        Raises:
            UnknownVersion: when there is no such file.
        """
        path = self.find(version).path
        try:
            stat = path.stat()
            state = stat.st_mtime_ns, stat.st_size
            if (known := self._read.get(path)) and known[0] == state:
                return known[1]
            found = read_text(path.read_text(encoding="utf-8"), version, path)
        except (OSError, UnicodeDecodeError) as error:
            return Read(version, path, {}, "", None, (f"{path} cannot be read: {error}",))
        self._read[path] = state, found
        return found

    def registry(self, version: str) -> Registry:
        """The registry of a version, checked.

        Raises:
            UnknownVersion: when there is no such file.
            Invalid: when it is refused.
        """
        return self.read(version).valid()

    def newest_valid(self) -> Read | None:
        """The greatest version whose file is valid."""
        for version in reversed(self.all()):
            found = self.read(version)
            if found.registry is not None:
                return found
        return None

    def create(self, version: str, config: Mapping[str, Any]) -> Read:
        """Write a new version.

        Raises:
            VersionExists: when there is one, whoever wrote it.
            Invalid: when the registry is refused, the version cannot be the name of a file, or is another one.
        """
        made = checked(version, config)
        if version in self.all():
            self.refuse(version)
        path = self.own / f"{version}.yaml"
        self.own.mkdir(parents=True, exist_ok=True)
        fresh = self.own / f".{version}.{os.getpid()}.{id(made)}.new"
        try:
            with fresh.open("w", encoding="utf-8") as file:
                yaml.safe_dump(made.config, file, sort_keys=False, allow_unicode=True, width=120)
                file.flush()
                os.fsync(file.fileno())
            os.link(fresh, path)
        except FileExistsError:
            raise VersionExists(f"feature registry {version} was created by somebody else just now") from None
        finally:
            fresh.unlink(missing_ok=True)
        return self.read(version)

    @staticmethod
    def refuse(version: str) -> None:
        """A version that is there already cannot be made.

        Raises:
            VersionExists: always.
        """
        raise VersionExists(f"feature registry {version} is there already: versions are never used again")

    def remove(self, version: str) -> None:
        """Delete a version's file, where it is one of ours."""
        with suppress(UnknownVersion):
            found = self.find(version)
            if found.path.parent == self.own:
                found.path.unlink(missing_ok=True)


def checked(version: str, config: Mapping[str, Any]) -> Read:
    """A registry that is to become a version.

    Raises:
        Invalid: with everything that is wrong.
    """
    problems = []
    if not NAME.fullmatch(version):
        problems.append("version: must be 1 to 50 letters, digits and . _ + -, beginning with a letter or digit")
    if config.get("version", version) != version:
        problems.append(f"version: config says {config['version']!r}, the request {version!r}: they must be equal")
    found = read_config({**config, "version": version}, version, Path(f"{version}.yaml"))
    if problems or found.registry is None:
        raise Invalid(version, [*problems, *found.problems])
    return found


def read_text(text: str, version: str, path: Path) -> Read:
    """What the text of a file says."""
    try:
        return read_config(load(text, str(path)), version, path)
    except RegistryError as error:
        return Read(version, path, {}, "", None, _told(error.problems))


def read_config(config: Mapping[str, Any], version: str, path: Path) -> Read:
    """What a registry says that was read already."""
    try:
        clean = plain(config)
    except ValueError as error:
        return Read(version, path, {}, "", None, (str(error),))
    hashed = fingerprint(clean)
    try:
        registry = parse_registry(clean, where=str(path))
    except RegistryError as error:
        return Read(version, path, clean, hashed, None, _told(error.problems))
    return Read(version, path, clean, hashed, registry)


def version_in(path: Path) -> str | None:
    """The version that a file says it is; None where it says nothing readable."""
    try:
        match = VERSION.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return match[1] if match else None


def in_order(version: str) -> tuple[bool, list[tuple[int, str]]]:
    """Versions in the order in which people count them; those that begin with a word come first.

    >>> sorted(["1.10.0", "full-1", "1.9.0"], key=in_order)
    ['full-1', '1.9.0', '1.10.0']
    """
    parts = re.findall(r"[0-9]+|[^0-9.]+", version)
    return version[:1].isdigit(), [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def schema_of(registry: Registry) -> str:
    """The schema of its vectors: the set of their names, as a short text.

    >>> from operators.registry import Registry
    >>> schema_of(Registry("1", ()))
    'names-e3b0c44298fc'
    """
    names = "\n".join(sorted(entry.name for entry in registry.entries))
    return f"names-{sha256(names.encode()).hexdigest()[:12]}"


def _told(problems: Sequence[Problem]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in problems)
