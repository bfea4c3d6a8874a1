"""Strategies from a folder of YAML files, one a file, refused with every problem named."""

import difflib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import msgspec
import yaml

from schemas.strategy import Strategy

UNREADABLE = (
    yaml.YAMLError,
    OSError,
    # What the YAML reader lets through when it makes numbers, dates and truth values of odd texts.
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


class StrategiesError(ValueError):
    """Strategies that cannot be used; ``problems`` names the file, the strategy and the field of each."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__(
            "\n  ".join([f"strategies in {folder} have {count}; correct the files and try again:", *problems])
        )
        self.problems = problems


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def load(folder: Path, defaults: Mapping[str, Any] = MappingProxyType({})) -> list[Strategy]:
    """The strategies of ``folder/*.yaml``, in the order of their names.

    ``defaults``, by full name such as ``learning.target.horizon``, hold where a file says nothing.

    Raises:
        StrategiesError: with every problem of every file, and when there is no file.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))
    if not files:
        raise StrategiesError(folder, ["there is no strategy: put a file such as momentum_v1.yaml there"])
    found: dict[str, tuple[Path, Strategy]] = {}
    problems: list[str] = []
    for path in files:
        strategy, wrong = read(path, defaults)
        problems += wrong
        if strategy is None:
            continue
        first = found.setdefault(strategy.strategy, (path, strategy))[0]
        if first is not path:
            problems.append(f"{path.name}, strategy {strategy.strategy}: strategy: {first.name} has the same name")
    if problems:
        raise StrategiesError(folder, problems)
    return [strategy for _, (_, strategy) in sorted(found.items())]


def read(path: Path, defaults: Mapping[str, Any] = MappingProxyType({})) -> tuple[Strategy | None, list[str]]:
    """The strategy of one file, with ``defaults`` for what it leaves out, or what is wrong with it."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Strict)  # noqa: S506  # a SafeLoader
    except UNREADABLE as error:
        return None, [f"{path.name}: not readable as YAML: {error}"]
    if not isinstance(data, Mapping):
        return None, [f"{path.name}: must be a mapping with strategy and symbols, not {type(data).__name__}"]
    wrong = [*faults(data, Strategy)]
    if not wrong:
        data = filled(data, defaults)
        wrong = [*faults(data, Strategy)] or contradictions(data)
    where = f"{path.name}, strategy {data.get('strategy', '(no name)')}"
    if wrong:
        return None, [f"{where}: {fault}" for fault in wrong]
    return msgspec.convert(data, Strategy), []


def filled(data: Mapping[Any, Any], defaults: Mapping[str, Any]) -> dict[Any, Any]:
    """What a file says, and below it the defaults.

    >>> said = {"learning": {"target": {"horizon": 30}}}
    >>> filled(said, {"learning.target.horizon": 60, "learning.target.threshold": 0.005})
    {'learning': {'target': {'horizon': 30, 'threshold': 0.005}}}
    """
    found = dict(data)
    for name, value in defaults.items():
        first, _, rest = name.partition(".")
        if rest:
            found[first] = filled(found.get(first) or {}, {rest: value})
        else:
            found.setdefault(first, value)
    return found


def faults(data: Mapping[Any, Any], block: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """What is wrong with the fields of a block of settings, each by itself."""
    fields = {field.name: field for field in msgspec.structs.fields(block)}
    for name in data:
        if name not in fields:
            yield f"{path}{name}: unknown field{suggestion(str(name), list(fields), path)}"
    for name, field in fields.items():
        if name not in data:
            if field.required:
                yield f"{path}{name}: is missing"
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            if isinstance(data[name], Mapping):
                yield from faults(data[name], field.type, f"{path}{name}.")
            else:
                yield f"{path}{name}: must be a mapping, not {data[name]!r}"
        else:
            yield from _fault(data[name], field.type, path + name)


def contradictions(data: Mapping[Any, Any]) -> list[str]:
    """Fields that are right by themselves and cannot be meant together: all of them, where decoding tells the first."""
    settings = {}
    for field in msgspec.structs.fields(Strategy):
        if field.name in data:
            settings[field.name] = msgspec.convert(data[field.name], field.type)
        elif field.default_factory is not msgspec.NODEFAULT:
            settings[field.name] = field.default_factory()
    return Strategy.contradictions(cast(Strategy, SimpleNamespace(**settings)))


def suggestion(name: str, known: list[str], path: str) -> str:
    """The name that was probably meant: the same one in another block, or a similar one."""
    elsewhere = sorted(full for full in every_field(Strategy) if full.split(".")[-1] == name)
    if elsewhere:
        return f"; did you mean {' or '.join(elsewhere)}?"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {path}{near[0]}?"
    return f"; known are {', '.join(known)}"


def every_field(block: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """The full names of all settings."""
    for field in msgspec.structs.fields(block):
        yield path + field.name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from every_field(field.type, f"{path}{field.name}.")


def _fault(value: Any, kind: Any, path: str) -> Iterator[str]:
    if isinstance(value, float) and not isfinite(value):
        yield f"{path}: {value} is no number"
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        place = str(error).partition(" - at `$")[2].rstrip("`").lstrip(".")
        said = str(error).partition(" - at ")[0].replace("Expected", "expected", 1)
        yield f"{path}{place}: {said}, found {value!r}"
