"""Makes the object again that was written down: half of ``codec``, which says what the nodes are."""

from collections.abc import Callable
from functools import cache
from typing import Any

from operators.online.names import name_of, resolve

Node = Any


class Thawer:
    """The inverse walk: objects are numbered in the order in which ``Freezer`` came to them."""

    def __init__(self, table: list[Any]) -> None:
        self.table = table
        self.seen: list[Any] = []

    def value(self, node: Node) -> Any:
        if type(node) is not list:
            return node
        return READERS[node[0]](self, node)

    def values(self, nodes: list[Node]) -> list[Any]:
        return [self.value(node) if type(node) is list else node for node in nodes]

    def _seen(self, found: Any) -> Any:
        self.seen.append(found)
        return found

    def _list(self, node: Node) -> Any:
        found = self._seen([])
        found += self.values(node[1:])
        return found

    def _tuple(self, node: Node) -> Any:
        return tuple(self.values(node[1:]))

    def _dict(self, node: Node) -> Any:
        found = self._seen({})
        parts = self.values(node[1:])
        found.update(zip(parts[::2], parts[1::2], strict=True))
        return found

    def _set(self, node: Node) -> Any:
        found = self._seen(set())
        found.update(self.values(node[1:]))
        return found

    def _frozenset(self, node: Node) -> Any:
        return frozenset(self.values(node[1:]))

    def _name(self, node: Node) -> Any:
        return named(self.table[node[1]])

    def _method(self, node: Node) -> Any:
        owner = self.value(node[1])
        name_of(type(owner))
        return getattr(owner, node[2])

    def _reference(self, node: Node) -> Any:
        return self.seen[node[1]]

    def _undrawn(self, node: Node) -> Any:
        return undrawn()

    def _plain_object(self, node: Node) -> Any:
        kind = named(self.table[node[1]])
        found = self._seen(kind.__new__(kind))
        set_state(found, dict(zip(self.table[node[2]], self.values(node[3:]), strict=True)))
        return found

    def _object(self, node: Node) -> Any:
        """As an unpickler would: make, set the state, append, insert."""
        tag, name, args, state, items, pairs = node
        kind, number = named(self.table[name]), len(self.seen)
        self.seen.append(None)
        made = self.values(args)
        found = self.seen[number] = kind.__new__(kind, *made) if tag == "o" else kind(*made)
        state = self.value(state)
        if state is not None:
            set_state(found, state)
        if items is not None:
            found.extend(self.values(items))
        if pairs is not None:
            parts = self.values(pairs)
            for key, value in zip(parts[::2], parts[1::2], strict=True):
                found[key] = value
        return found


def set_state(found: Any, state: Any) -> None:
    """Give a new object the state of a frozen one."""
    if hasattr(found, "__setstate__"):
        found.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    found.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(found, name, value)


@cache
def named(name: str) -> Any:
    """As ``resolve``, remembered."""
    return resolve(name)


@cache
def undrawn() -> Any:
    """The generator of all those distributions from which nobody draws."""
    return resolve("random:Random")(0)


READERS: dict[str, Callable[[Thawer, Node], Any]] = {
    "l": Thawer._list,
    "t": Thawer._tuple,
    "d": Thawer._dict,
    "s": Thawer._set,
    "f": Thawer._frozenset,
    "g": Thawer._name,
    "m": Thawer._method,
    "r": Thawer._reference,
    "u": Thawer._undrawn,
    "n": Thawer._plain_object,
    "o": Thawer._object,
    "c": Thawer._object,
}
