"""One setting: its name, its default, what it means and what it may be."""

from typing import Any

from pydantic import Field


def setting(name: str, default: Any, about: str, allowed: str, **limits: Any) -> Any:
    """A field of the settings; ``name`` is the environment variable, ``limits`` are pydantic's."""
    return Field(default, validation_alias=name, description=about, json_schema_extra={"allowed": allowed}, **limits)
