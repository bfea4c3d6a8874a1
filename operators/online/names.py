"""Which classes and functions a frozen model may hold: everything else is refused by name."""

from importlib import import_module
from typing import Any

PACKAGES = frozenset(
    {
        "_river_rust", "base", "compose", "drift", "linear_model", "multiclass", "naive_bayes", "optim",
        "preprocessing", "proba", "stats", "tree", "utils",
    }
)  # fmt: skip
"""Of River: what models are made of, and nothing that reads files or the network."""
OTHERS = frozenset(
    {
        "builtins:bool", "builtins:dict", "builtins:float", "builtins:int", "builtins:list", "builtins:set",
        "builtins:str", "builtins:tuple", "collections:Counter", "collections:OrderedDict", "collections:defaultdict",
        "collections:deque", "copy:deepcopy", "copyreg:__newobj__", "functools:partial", "random:Random",
    }
)  # fmt: skip


class NotAllowed(ValueError):
    """Something that a frozen model must not hold; the message names it."""


def name_of(found: Any) -> str:
    """Of a class or a function: where it can be found again.

    Raises:
        NotAllowed: when it is not on the list, or cannot be found by its name.
    """
    name = f"{getattr(found, '__module__', '?')}:{getattr(found, '__qualname__', '?')}"
    if resolve(name) is not found:
        raise NotAllowed(f"{name} is not what its name leads to: it cannot be frozen")
    return name


def resolve(name: str) -> Any:
    """The class or function of a name.

    >>> resolve("collections:deque").__name__
    'deque'
    >>> resolve("os:system")
    Traceback (most recent call last):
        ...
    operators.online.names.NotAllowed: os:system is not on the list of what a frozen model may hold

    Raises:
        NotAllowed: when it is not on the list, or there is no such thing.
    """
    module, _, path = name.partition(":")
    package = module.split(".")
    listed = name in OTHERS or (package[0] == "river" and len(package) > 1 and package[1] in PACKAGES)
    if not listed or "__" in path.replace("__newobj__", ""):
        raise NotAllowed(f"{name} is not on the list of what a frozen model may hold")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise NotAllowed(f"{name}: there is no such thing here: {error}") from error
    if not callable(found):
        raise NotAllowed(f"{name} is neither a class nor a function")
    return found
