"""What the columns of each type of event are: derived from ``schemas``, so that a new type is archived by itself."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import pyarrow as pa
from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    NoneType,
    StrType,
    TupleType,
    Type,
    UnionType,
    type_info,
)  # fmt: skip

from schemas.events import AnyEvent

UNREADABLE = "unreadable"
"""The type of a message that is no event: it has no columns but its bytes."""
Form = Literal["integer", "number", "text", "flag", "levels", "json"]
LEVELS = pa.list_(pa.struct([("price", pa.float64()), ("size", pa.float64())]))
ARROW: dict[Form, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "levels": LEVELS,
    "json": pa.string(),
}
PLACE = pa.schema(
    [
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("logged", pa.int64()),
        ("raw", pa.binary()),
        ("envelope", pa.string()),
    ]
)
"""What every row has beside its typed columns.

``logged`` is the log's own timestamp (microseconds, whole milliseconds). ``raw`` is the message where the columns do
not give exactly its bytes, else null; ``envelope`` is JSON with the key and headers, null where the key is the symbol
(or nothing, where the event concerns every symbol) and there are no headers.
"""


class Field(NamedTuple):
    """One field of an event as a column; times are integer microseconds UTC.

    ``decode`` reads what stands as JSON. ``default`` is what the encoder leaves out. It knows it by its identity, which
    a value has lost that was in a column: ``alike`` says that other objects may equal it.
    """

    name: str
    form: Form
    decode: Callable[[str], Any]
    default: Any
    alike: bool


class Kind(NamedTuple):
    """One type of event: its ``type`` on the log, its struct, and its fields in the struct's order.

    The symbol is no column: it is in the folder's name.
    """

    name: str
    event: type[msgspec.Struct]
    fields: tuple[Field, ...]
    has_symbol: bool

    @property
    def schema(self) -> pa.Schema:
        """The typed columns."""
        return pa.schema([(field.name, ARROW[field.form]) for field in self.fields])


@cache
def kinds() -> dict[str, Kind]:
    """Every type of event by its name.

    >>> [field.name for field in kinds()["trade"].fields]
    ['ts', 'recv', 'id', 'side', 'price', 'size', 'backfilled']
    """
    found = [_kind(event) for event in get_args(AnyEvent)]
    taken = {column for kind in found for column in kind.schema.names} & set(PLACE.names)
    assert not taken, f"{sorted(taken)} are columns of every file"
    return {kind.name: kind for kind in found}


@cache
def _by_event() -> dict[Any, Kind]:
    return {kind.event: kind for kind in kinds().values()}


def kind_of(event: Any) -> Kind:
    """The kind of a type of event, which is one of the structs in ``schemas.events``."""
    return _by_event()[event]


def _kind(event: type[msgspec.Struct]) -> Kind:
    info = type_info(event)
    fields = [
        Field(one.name, _form(one.type), msgspec.json.Decoder(hint.type).decode, hint.default, _alike(hint.default))
        for one, hint in zip(info.fields, msgspec.structs.fields(event), strict=True)  # type: ignore[attr-defined]
    ]
    own = tuple(field for field in fields if field.name != "symbol")
    return Kind(str(event.__struct_config__.tag), event, own, len(own) < len(fields))


def _alike(default: Any) -> bool:
    """Whether a default has other objects equal to it."""
    alone = isinstance(default, bool) or (isinstance(default, int) and -5 <= default <= 256) or default == ""
    return isinstance(default, float | int | str) and not alone


def _form(kind: Type) -> Form:
    """How a field stands in a column; what is optional may be null."""
    if isinstance(kind, UnionType):
        rest = [one for one in kind.types if not isinstance(one, NoneType)]
        return _form(rest[0]) if len(rest) == 1 else "json"
    match kind:
        case BoolType():
            return "flag"
        case IntType():
            return "integer"
        case FloatType():
            return "number"
        case StrType():
            return "text"
        case LiteralType(values=values) if all(isinstance(value, str) for value in values):
            return "text"
        case ListType(item_type=TupleType(item_types=(FloatType(), FloatType()))):
            return "levels"
    return "json"
