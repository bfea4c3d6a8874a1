"""JSON Schema of every topic, and an AsyncAPI document that says which topic carries what. Both come from the types."""

import json
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from schemas.origin import HEADER
from schemas.topics import COMMANDS, TOPICS, Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schemas"
ORIGIN = {
    "type": "string",
    "pattern": r"^\d+/\d+/\d+$",
    "description": "shard/offset/index of the event that caused the record, and its place among that event's outputs.",
}
DERIVED = {"type": "object", "properties": {HEADER: ORIGIN}, "required": [HEADER]}
ABOUT = """Everything Lockstep knows and decides, on a Kafka-compatible log. Values are JSON, one record a message, with
the kind of record in the field type. A topic has as many partitions as events; a record derived from an event is in the
partition of that event, and its header origin says which event it was. Readers ignore fields that they do not know."""


def record_types(topic: Topic) -> tuple[type[msgspec.Struct], ...]:
    """The types of a topic's records."""
    return get_args(topic.record) or (topic.record,)


def json_schema(topic: Topic) -> dict[str, Any]:
    """The JSON Schema of a topic's values.

    >>> from schemas.topics import EVENTS
    >>> sorted(json_schema(EVENTS)["discriminator"]["mapping"])[:3]
    ['account.configured', 'balance', 'book.delta']
    """
    (schema,), definitions = msgspec.json.schema_components([topic.record], ref_template="#/$defs/{name}")
    title = {"$schema": DIALECT, "title": topic.name, "description": topic.about}
    return title | _plain(schema, "#/$defs/") | {"$defs": _titled(definitions)}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all topics."""
    types = {kind.__name__: kind for topic in TOPICS for kind in record_types(topic)}
    _, definitions = msgspec.json.schema_components(types.values(), ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Lockstep", "version": "1", "description": ABOUT.replace("\n", " ")},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {
            "messages": {_tag(kind): _message(topic, kind) for topic in TOPICS for kind in record_types(topic)},
            "schemas": _titled(definitions),
        },
    }


def documents() -> dict[str, str]:
    """Every file by its name, as it should stand on the disk."""
    files = {f"{topic.name}.schema.json": json_schema(topic) for topic in TOPICS} | {"asyncapi.json": asyncapi()}
    return {name: f"{json.dumps(document, indent=2)}\n" for name, document in files.items()}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every file; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text)
    return [folder / name for name in documents()]


def stale(folder: Path = FOLDER) -> list[str]:
    """One line for every file that is missing, differs from the types, or belongs to no topic."""
    wanted = documents()
    there = {path.name: path.read_text() for path in folder.glob("*.json")} if folder.is_dir() else {}
    differing = [f"{name}: differs from the code" for name in wanted if name in there and there[name] != wanted[name]]
    missing = [f"{name}: is missing" for name in wanted if name not in there]
    return missing + differing + [f"{name}: belongs to no topic" for name in sorted(there.keys() - wanted.keys())]


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {_tag(kind): {"$ref": f"#/components/messages/{_tag(kind)}"} for kind in record_types(topic)},
        "bindings": {
            "kafka": {"topicConfiguration": {"cleanup.policy": [topic.cleanup]}, "bindingVersion": "0.5.0"},
        },
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Anybody may read everything; only commands are for others to write too."""
    for topic in TOPICS:
        channel = {"$ref": f"#/channels/{topic.name}"}
        yield f"read.{topic.name}", {"action": "send", "channel": channel, "summary": f"Lockstep writes {topic.name}."}
    write_commands = {"action": "receive", "channel": {"$ref": f"#/channels/{COMMANDS.name}"}}
    yield f"ask.{COMMANDS.name}", write_commands | {"summary": "Lockstep obeys commands."}


def _message(topic: Topic, kind: type[msgspec.Struct]) -> dict[str, Any]:
    message = {
        "name": _tag(kind),
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").split("\n", 1)[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"}},
    }
    return message | ({"headers": DERIVED} if _derived(kind) else {})


def _derived(kind: type[msgspec.Struct]) -> bool:
    """Whether a record of this type always comes from an event."""
    return any(field.name == "origin" and field.required for field in msgspec.structs.fields(kind))


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _plain(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A schema that is only a reference, with the reference spelled out beside the title."""
    return {"$ref": schema["$ref"]} if schema.get("$ref", "").startswith(prefix) else schema


def _titled(definitions: dict[str, Any]) -> dict[str, Any]:
    """The definitions by name, each described by its docstring without the examples for Python."""
    return {name: definition | _described(definition) for name, definition in sorted(definitions.items())}


def _described(definition: dict[str, Any]) -> dict[str, str]:
    text = cleandoc(definition.get("description", "")).split(">>>")[0].strip()
    return {"description": " ".join(text.split())} if text else {}
