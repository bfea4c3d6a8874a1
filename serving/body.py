"""Bodies of requests: a value is what JSON says it is, and is not made into something else."""

from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationInfo, field_validator

NUMBERS = (int, float)


class Given(BaseModel):
    """What a request says. ``false`` is no number, ``1`` is not true, ``"5"`` is text, and a time is no number either.

    >>> class Asked(Given):
    ...     days: int = 1
    ...     until: datetime | None = None
    >>> Asked(days=3, until="2025-03-04T09:15:04Z").days
    3
    >>> Asked(days=False)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Asked
    days
      Value error, a number is wanted, not a boolean [type=value_error, input_value=False, input_type=bool]
    ...
    """

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if problem := _problem(value, kinds):
            raise ValueError(problem)
        return value


def _problem(value: Any, kinds: set[Any]) -> str | None:
    """Why a plain value is none of these types, though it could be made into one."""
    plain = kinds - {NoneType}
    if not plain <= {int, float, bool, datetime}:
        return None
    if isinstance(value, bool):
        return None if bool in plain else _wanted(plain, "a boolean")
    if isinstance(value, NUMBERS):
        return None if plain & {int, float} else _wanted(plain, "a number")
    if isinstance(value, str):
        looks = value.strip().lstrip("+-").replace(".", "", 1).replace("e", "", 1).isdigit()
        return None if datetime in plain and not looks else _wanted(plain, "text")
    return None


def _wanted(plain: set[Any], given: str) -> str:
    if datetime in plain:
        return "a time is wanted, such as 2025-03-04T09:15:04Z"
    return f"{'true or false' if bool in plain else 'a number'} is wanted, not {given}"


def _kinds(annotation: Any) -> set[Any]:
    """The types that a field may have."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*(_kinds(one) for one in get_args(annotation)))
    return {annotation if isinstance(annotation, type) else object}
