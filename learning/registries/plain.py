"""What a YAML file holds, as JSON can hold it: the log and the database take nothing else."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

LARGEST = 500_000
"""Bytes of a registry as JSON; an event on the log has to hold it."""


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON has it: dates become texts, everything else stays what it is.

    Raises:
        ValueError: when something has no place in JSON or in PostgreSQL; the message says what.

    >>> plain({"version": "1", "features": [{"order": 1}]})
    {'version': '1', 'features': [{'order': 1}]}
    """
    try:
        text = json.dumps(config, default=str, allow_nan=False)
        if any("\0" in one for one in texts(config)):
            raise ValueError("a text holds a NUL character")
        if len(text.encode()) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        clean: dict[str, Any] = json.loads(text)
        json.dumps(clean, ensure_ascii=False).encode()
        msgspec.json.encode(clean)  # whole numbers of more than 64 bits have no place on the log
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"the registry cannot be kept as JSON: {error}") from None
    return clean


def texts(value: Any) -> Iterator[str]:
    """Every text in nested lists and mappings, keys as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from texts(key)
            yield from texts(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from texts(one)
