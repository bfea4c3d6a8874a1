"""The exported schemas say what the code does: real records fit them, and what does not fit is refused by both."""

import json
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import export
from schemas.codec import encode
from schemas.topics import TOPICS, Topic

VALIDATORS = {topic.name: jsonschema.Draft202012Validator(export.json_schema(topic)) for topic in TOPICS}
DECODERS = {topic.name: msgspec.json.Decoder(topic.record) for topic in TOPICS}


ANY_OBJECT = ("detail", "config")
"""Fields that take about any object."""


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, made from the type alone."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs(kind)
    if hasattr(kind, "_fields"):
        return st.builds(kind, *(values(of) for of in kind.__annotations__.values()))
    name = getattr(get_origin(kind), "__name__", "")
    arguments = get_args(kind)
    if name == "Literal":
        return st.sampled_from(arguments)
    if name == "Annotated" and kind_is_collection(arguments[0]):
        return values(arguments[0])
    if name == "Annotated":
        return bounded(*arguments)
    if name == "list":
        return st.lists(values(arguments[0]), max_size=3)
    if name == "tuple" and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), min_size=1, max_size=3, unique=True).map(tuple)
    if name == "tuple":
        return st.tuples(*(values(of) for of in arguments))
    if name == "dict":
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if arguments:
        return st.one_of(*(values(of) for of in arguments))
    numbers = {int: st.integers(0, 2**53), float: st.floats(allow_nan=False, allow_infinity=False)}
    others = {bool: st.booleans(), type(None): st.none(), Any: st.integers(0, 9)}
    return {**numbers, **others, str: st.text(), bytes: st.binary()}[kind]


def kind_is_collection(kind: Any) -> bool:
    return get_origin(kind) is tuple


def bounded(kind: type, bounds: msgspec.Meta) -> st.SearchStrategy[Any]:
    """Values of a type with bounds; JSON Schema counts whole numbers up to 2**53."""
    if kind is str and bounds.pattern:
        return st.from_regex(bounds.pattern.replace("$", r"\Z"))
    if kind is str:
        return st.text(max_size=bounds.max_length)
    least = bounds.ge if bounds.gt is None else bounds.gt
    most = bounds.le if bounds.lt is None else bounds.lt
    if kind is int:
        return st.integers(least + (bounds.gt is not None), min(2**53, most - (bounds.lt is not None)))
    return st.floats(least, most, exclude_min=bounds.gt is not None, exclude_max=bounds.lt is not None)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = msgspec.structs.fields(kind)
    required = {field.name: values(field.type) for field in fields if field.required}
    optional = {field.name: values(field.type) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(partial(made, kind)).filter(bool)


def made(kind: type[msgspec.Struct], given: dict[str, Any]) -> msgspec.Struct | None:
    """The record, or None where the fields contradict each other."""
    try:
        return kind(**given)
    except ValueError:
        return None


def records(topic: Topic) -> st.SearchStrategy[Any]:
    return st.one_of(*(structs(kind) for kind in export.record_types(topic)))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_record_that_the_code_writes_fits_its_schema(topic: Topic, data: st.DataObject) -> None:
    """And the code reads it back as it was."""
    record = data.draw(records(topic))
    written = encode(record)
    VALIDATORS[topic.name].validate(json.loads(written))

    assert DECODERS[topic.name].decode(written) == record


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_record_that_lacks_what_is_required_is_refused_by_schema_and_code(topic: Topic, data: st.DataObject) -> None:
    """Where a topic carries several types, the type itself is among it."""
    record = data.draw(records(topic))
    body = json.loads(encode(record))
    required = [field.encode_name for field in msgspec.structs.fields(type(record)) if field.required]
    several = ["type"] if len(export.record_types(topic)) > 1 else []
    del body[data.draw(st.sampled_from(several + required))]

    assert not VALIDATORS[topic.name].is_valid(body)
    with pytest.raises(msgspec.ValidationError):
        DECODERS[topic.name].decode(json.dumps(body))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_wrong_type_is_refused_by_schema_and_code(topic: Topic, data: st.DataObject) -> None:
    record = data.draw(records(topic))
    body = json.loads(encode(record))
    required = [field.encode_name for field in msgspec.structs.fields(type(record)) if field.required]
    name = data.draw(st.sampled_from(required))
    body[name] = None if name in ANY_OBJECT else {"not": ["this"]}

    assert not VALIDATORS[topic.name].is_valid(body)
    with pytest.raises(msgspec.ValidationError):
        DECODERS[topic.name].decode(json.dumps(body))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_field_of_a_later_version_is_ignored_by_schema_and_code(topic: Topic, data: st.DataObject) -> None:
    record = data.draw(records(topic))
    body = json.loads(encode(record)) | {"of_a_later_version": [1, {}]}

    assert VALIDATORS[topic.name].is_valid(body)
    assert DECODERS[topic.name].decode(json.dumps(body)) == record


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_schema_is_itself_valid(topic: Topic) -> None:
    jsonschema.Draft202012Validator.check_schema(export.json_schema(topic))


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_the_asyncapi_document_names_every_topic_and_every_record_and_nothing_dangles() -> None:
    """Each channel carries exactly the types that the code puts on the topic, each with its payload."""
    document = export.asyncapi()
    for reference in references(document):
        resolve(document, reference)

    for topic in TOPICS:
        channel = document["channels"][topic.name]
        payloads = {
            resolve(document, message["$ref"])["payload"]["$ref"].rsplit("/", 1)[1]
            for message in channel["messages"].values()
        }
        assert payloads == {kind.__name__ for kind in export.record_types(topic)}
        assert channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
    assert document["channels"].keys() == {topic.name for topic in TOPICS}


def test_every_record_says_in_one_sentence_what_it_is() -> None:
    """An AsyncAPI viewer shows it."""
    for name, message in export.asyncapi()["components"]["messages"].items():
        assert message["summary"].endswith("."), name


def test_the_committed_files_are_up_to_date() -> None:
    """If not: lockstep schemas, and commit docs/schemas."""
    assert export.stale() == []


def test_a_stale_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    export.write(tmp_path)
    assert export.stale(tmp_path) == []
    (tmp_path / "events.schema.json").write_text("{}")
    (tmp_path / "features.schema.json").unlink()
    (tmp_path / "retired.schema.json").write_text("{}")

    assert export.stale(tmp_path) == [
        "features.schema.json: is missing",
        "events.schema.json: differs from the code",
        "retired.schema.json: belongs to no topic",
    ]
