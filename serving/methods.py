"""Which paths an application has, and which methods each of them."""

import re
from functools import lru_cache
from typing import NamedTuple

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


class Path(NamedTuple):
    """A path as it was declared, such as ``/dataset/{dataset_id}``."""

    template: str
    pattern: re.Pattern[str]
    parameters: int
    methods: frozenset[str]


@lru_cache(maxsize=4)
def paths(app: FastAPI) -> tuple[Path, ...]:
    """Every path of ``app``, those with the fewest parameters first: ``/dataset/list`` is no dataset."""
    found: dict[str, Path] = {}
    for route in iter_route_contexts(app.routes):
        if route.path is None or not route.methods:
            continue
        before = found.get(route.path)
        methods = frozenset(route.methods) | (before.methods if before else frozenset())
        found[route.path] = Path(route.path, route.path_regex, len(route.param_convertors), methods)
    return tuple(sorted(found.values(), key=lambda one: one.parameters))


def path_of(app: FastAPI, path: str) -> Path | None:
    """What was declared for the path of a request; None where there is nothing."""
    return next((one for one in paths(app) if one.pattern.match(path)), None)
