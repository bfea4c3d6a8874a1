"""Freezes River's objects to plain data and thaws them again: no pickle, nothing that is not on a list.

The bytes depend on the state alone, not on the process: dictionaries keep their order, sets are sorted, floats are
exact, and an object that is held twice is written once. Frozen, thawed and frozen again, the bytes are the same.

A node is a plain value, or a list that begins with what it is:

    l items..             list                      t items..      tuple
    d key value ..        dict                      s, f items..   set, frozenset, sorted
    g name                class or function         m object name  bound method
    r number              object seen before        u              a generator that nobody draws from
    n class keys values.. object with a ``__dict__``
    o class args state items pairs                  object, as ``__reduce_ex__`` describes it

Names and lists of keys stand once, in a table in front.
"""

from typing import Any

import msgspec

from operators.online.freezer import Freezer
from operators.online.names import NotAllowed
from operators.online.thawer import Thawer


def freeze(found: Any) -> bytes:
    """The state of an object.

    >>> thaw(freeze({"b": [1, 2.5], "a": None}))
    {'b': [1, 2.5], 'a': None}

    Raises:
        NotAllowed: when it holds something that is not on the list, naming it.
    """
    freezer = Freezer()
    node = freezer.node(found)
    return msgspec.msgpack.encode([[*freezer.table], node])


def thaw(data: bytes) -> Any:
    """The object that ``freeze`` was given.

    Raises:
        NotAllowed: when the data name something that is not on the list, or were not made by ``freeze``.
    """
    try:
        table, node = msgspec.msgpack.decode(data)
        return Thawer(table).value(node)
    except NotAllowed:
        raise
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise NotAllowed(f"these bytes are no frozen object: {type(error).__name__}: {error}") from error
