"""Datasets: what came of a build, for whoever waits for it."""

from typing import Literal

import msgspec

from schemas.model import Period


class DatasetDone(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="dataset"):
    """A build ended at ``ts`` (microseconds UTC). ``splits`` by name; walk-forward has ``fold_<i>/<name>``.

    ``downloads`` are paths of the API. Not derived from the log: it carries no origin.
    """

    dataset_id: str
    symbol: str
    ts: int
    status: Literal["ready", "failed"]
    splits: dict[str, Period] = {}
    downloads: dict[str, str] = {}
    feature_registry_version: str = ""
    error: str = ""
    trace_id: str | None = None
