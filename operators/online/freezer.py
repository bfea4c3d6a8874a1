"""Walks an object and writes it down: half of ``codec``, which says what the nodes are."""

from collections.abc import Callable
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from operators.online.names import NotAllowed, name_of, resolve

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
Node = Any


class Freezer:
    """Its ``table`` holds the names and lists of keys of all that ``node`` was given.

    ``held`` keeps what was seen alive, so that no identity is used twice.
    """

    def __init__(self) -> None:
        self.table: dict[str | tuple[str, ...], int] = {}
        self.seen: dict[int, int] = {}
        self.held: list[Any] = []
        self.classes: dict[Any, int] = {}

    def node(self, found: Any) -> Node:
        kind = type(found)
        if kind in PLAIN:
            return _checked(found)
        write = WRITERS.get(kind, Freezer._object)
        if kind in BY_VALUE:
            return write(self, found)
        if isinstance(found, type):
            return self._name(found)
        number = self.seen.get(id(found))
        if number is not None:
            return ["r", number]
        self.seen[id(found)] = len(self.seen)
        self.held.append(found)
        return write(self, found)

    def nodes(self, found: Any) -> list[Node]:
        items = list(found)
        if PLAIN.issuperset(map(type, items)):
            return [_checked(item) for item in items] if int in map(type, items) else items
        return [self.node(item) for item in items]

    def named(self, found: Any) -> int:
        """The place of a class or function in the table."""
        number = self.classes.get(found)
        if number is None:
            number = self.classes[found] = self._listed(name_of(found))
        return number

    def _listed(self, entry: str | tuple[str, ...]) -> int:
        return self.table.setdefault(entry, len(self.table))

    def _list(self, found: list[Any]) -> Node:
        return ["l", *self.nodes(found)]

    def _tuple(self, found: tuple[Any, ...]) -> Node:
        return ["t", *self.nodes(found)]

    def _dict(self, found: dict[Any, Any]) -> Node:
        return ["d", *self.nodes(part for pair in found.items() for part in pair)]

    def _set(self, found: set[Any] | frozenset[Any]) -> Node:
        try:
            items = sorted(found)
        except TypeError as error:
            raise NotAllowed(f"a set whose items have no order cannot be frozen: {error}") from error
        return ["s" if type(found) is set else "f", *self.nodes(items)]

    def _name(self, found: Any) -> Node:
        return ["g", self.named(found)]

    def _method(self, found: MethodType) -> Node:
        return ["m", self.node(found.__self__), found.__name__]

    def _object(self, found: Any) -> Node:
        kind: Any = type(found)
        name = self.classes.get(kind)
        if name is None:
            name = self.named(kind)
        if is_plain(kind):
            return self._plain_object(name, found, vars(found))
        reduced = found.__reduce_ex__(4)
        if isinstance(reduced, str) or len(reduced) > 5:
            raise NotAllowed(f"{kind.__module__}:{kind.__qualname__} describes itself in a way that is not known here")
        make, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if make is NEW:
            args = args[1:]
        elif make is not kind:
            raise NotAllowed(f"{kind.__module__}:{kind.__qualname__} is made by {make!r}, which is not on the list")
        return [
            "o" if make is NEW else "c",
            name,
            self.nodes(args),
            self.node(state),
            None if items is None else self.nodes(items),
            None if pairs is None else self.nodes(part for pair in pairs for part in pair),
        ]

    def _plain_object(self, name: int, found: Any, state: dict[str, Any]) -> Node:
        keys = self.table.setdefault(tuple(state), len(self.table))
        if "_rng" in state and state.get("seed", 0) is None:
            return ["n", name, keys, *(["u"] if key == "_rng" else self.node(state[key]) for key in _undrawn(found))]
        return ["n", name, keys, *self.nodes(state.values())]


def _undrawn(found: Any) -> dict[str, Any]:
    """The state of an object whose generator has no seed: distributions hold one for samples that nobody draws here."""
    kind = type(found)
    if not kind.__module__.startswith("river.proba"):
        raise NotAllowed(f"{kind.__module__}:{kind.__qualname__} draws without a seed: give it one")
    return vars(found)


@cache
def is_plain(kind: type) -> bool:
    """Whether objects of a class are their ``__dict__`` and nothing else."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not any(hasattr(kind, name) for name in ("__getnewargs__", "__getnewargs_ex__", "__setstate__"))
        and not any(vars(base).get("__slots__") for base in kind.__mro__)
        and kind.__dictoffset__ != 0
        and kind.__itemsize__ == 0
        and not issubclass(kind, list | dict | set | tuple | frozenset | str | int | float | bytes)
    )


def _checked(found: Any) -> Any:
    if type(found) is int and not -(2**63) <= found < 2**64:
        raise NotAllowed(f"the number {found} has more than 64 bits")
    return found


NEW = resolve("copyreg:__newobj__")
BY_VALUE = frozenset({tuple, frozenset, type, FunctionType, BuiltinFunctionType, MethodType})
"""What has no identity of its own: two equal ones are the same."""
WRITERS: dict[type, Callable[[Freezer, Any], Node]] = {
    list: Freezer._list,
    tuple: Freezer._tuple,
    dict: Freezer._dict,
    set: Freezer._set,
    frozenset: Freezer._set,
    type: Freezer._name,
    FunctionType: Freezer._name,
    BuiltinFunctionType: Freezer._name,
    MethodType: Freezer._method,
}
