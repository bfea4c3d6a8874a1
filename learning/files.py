"""Model files: a folder for each version under one root, with the model and the record of what it is.

A version is written once, all of it or nothing, and never again; whoever opens one says which bytes they mean.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from learning.folders import sync, unfinished, write
from learning.training.boosted import read_booster
from learning.training.fitted import Fitted
from learning.training.opened import OpenedModel
from learning.training.skops_file import read_pipeline
from operators.online.models import Unusable
from schemas.model import ModelRecord

RECORD = "record.json"
VERSION = re.compile(r"v([0-9]+)(?:\.([0-9]+))?")
READERS: dict[str, Callable[[bytes], Fitted]] = {
    "model.ubj": read_booster,
    "model.json": read_booster,
    "model.skops": read_pipeline,
}


class VersionTaken(ValueError):
    """A version is there already: versions are never reused."""


class ModelFiles:
    """The models under ``root``. Opened ones are kept: the same version and hash always mean the same object."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: dict[tuple[str, str], OpenedModel] = {}

    def open(self, version: str, sha256: str) -> OpenedModel:
        """The model of a version, if its file has this hash, and foretells classes.

        Raises:
            Unusable: what is wrong, where, and what to do.
        """
        opened = self.load(version, sha256)
        if opened.target.kind != "classification":
            raise Unusable(
                f"model {version} foretells a number ({opened.target.kind}), and a strategy acts on probabilities of"
                f" down, flat and up: activate one with the target kind classification"
            )
        return opened

    def load(self, version: str, sha256: str | None = None) -> OpenedModel:
        """The model of a version, of any target; without a hash, that of its record is checked.

        Raises:
            Unusable: what is wrong, where, and what to do.
        """
        if sha256 is not None and (known := self._opened.get((version, sha256))):
            return known
        record = self.record(version)
        content = self._content(record)
        _check_hash(record, content, sha256)
        opened = OpenedModel(record, _read(record, content))
        self._opened[version, record.sha256] = opened
        return opened

    def record(self, version: str) -> ModelRecord:
        """What is known of a version.

        Raises:
            Unusable: when there is no such folder, or its record cannot be read.
        """
        path, where = self.folder(version) / RECORD, f"{version}/{RECORD}"
        try:
            record = msgspec.json.decode(path.read_bytes(), type=ModelRecord)
        except FileNotFoundError:
            raise Unusable(f"model {version}: there is no {where}; restore the folder, or train again") from None
        except (OSError, msgspec.DecodeError) as error:
            said = getattr(error, "strerror", None) or error  # no path of this machine: what is said stands on the log
            raise Unusable(f"model {version}: {where} cannot be read: {said}; restore it, or train again") from error
        if record.version != version:
            raise Unusable(f"model {version}: {where} is the record of {record.version}; put the folder back in place")
        return record

    def versions(self) -> list[str]:
        """Those that are there, oldest first; what a writer has not finished is none."""
        if not self.root.is_dir():
            return []
        names = [path.name for path in self.root.iterdir() if VERSION.fullmatch(path.name)]
        return sorted(names, key=_age)

    def folder(self, version: str) -> Path:
        """Where the files of a version are.

        Raises:
            Unusable: when it is no version of a batch model.
        """
        if not VERSION.fullmatch(version):
            raise Unusable(f"{version!r} is no version of a batch model, such as v1700000000 or v1700000000.1")
        return self.root / version

    def path(self, record: ModelRecord) -> Path:
        """The model's file.

        Raises:
            Unusable: when its record names a file that no model has.
        """
        if record.file not in READERS:
            raise Unusable(f"model {record.version}: its record names {record.file!r}, not one of {', '.join(READERS)}")
        return self.folder(record.version) / record.file

    def save(self, record: ModelRecord, content: bytes) -> ModelRecord:
        """Write a new version durably, all of it or nothing. The bytes are read back as a model first.

        Returns the record as written: with the hash of ``content``.

        Raises:
            VersionTaken: when the version is there.
            Unusable: when nobody could open what would be written.
            OSError: when the root cannot be written to.
        """
        record = msgspec.structs.replace(record, sha256=sha256(content).hexdigest())
        target, name = self.folder(record.version), self.path(record).name
        _read(record, content)
        self.root.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise VersionTaken(f"model {record.version} is there already, at {target}; choose another version")
        with unfinished(self.root) as folder:
            write(folder / name, content)
            write(folder / RECORD, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
            sync(folder)
            try:
                folder.rename(target)
            except OSError as error:
                if not target.exists():
                    raise
                raise VersionTaken(f"model {record.version} was written by somebody else, to {target}") from error
        sync(self.root)
        return record

    def remove(self, version: str) -> None:
        """Take a version away for good; whether nobody needs it is for the caller to know."""
        folder = self.folder(version)
        self._opened = {key: opened for key, opened in self._opened.items() if key[0] != version}
        if folder.exists():
            with unfinished(self.root) as place:
                folder.rename(place / version)
            sync(self.root)

    def _content(self, record: ModelRecord) -> bytes:
        path = self.path(record)
        try:
            return path.read_bytes()
        except OSError as error:
            said = f"{record.version}/{path.name} cannot be read: {error.strerror}"
            raise Unusable(f"model {record.version}: {said}; restore it, or train again") from error


def _age(version: str) -> tuple[int, int]:
    seconds, again = VERSION.fullmatch(version).groups()  # type: ignore[union-attr]
    return int(seconds), int(again or 0)


def _check_hash(record: ModelRecord, content: bytes, wanted: str | None) -> None:
    found = sha256(content).hexdigest()
    for said, whose in ((wanted, "the activation means"), (record.sha256, "its record means")):
        if said is not None and said != found:
            raise Unusable(
                f"model {record.version}: {record.file} has the SHA-256 {found}, {whose} {said or 'none'}:"
                " it is damaged or another file; restore it, or train again"
            )


def _read(record: ModelRecord, content: bytes) -> Fitted:
    """The model, if it is what the record says."""
    where = f"model {record.version}: {record.file}"
    if (record.family == "xgboost") != (READERS[record.file] is read_booster):
        raise Unusable(f"{where} is no file of the family {record.family} that its record names")
    try:
        fitted = READERS[record.file](content)
    except ValueError as error:
        raise Unusable(f"{where} is no usable model: {error}; restore it, or train again") from error
    for what, found, said in (
        ("features", fitted.features, record.features),
        ("classes", fitted.classes, record.classes),
        ("family", fitted.family, record.family),
    ):
        if found != said:
            raise Unusable(f"{where} has the {what} {found}, its record says {said}; restore both, or train again")
    if (record.target.kind == "classification") != bool(fitted.classes):
        raise Unusable(f"{where} has the classes {fitted.classes}, which is no model of a {record.target.kind}")
    return fitted
