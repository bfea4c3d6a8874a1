"""A flow with few features, so that the tests of quality spend their time on quality."""

from collections.abc import Iterable
from pathlib import Path

from dataflows.features import engine
from operators.features.featureset import FeatureSet
from operators.registry import parse_registry
from schemas.codec import decode_quality, decode_quality_minute
from schemas.market import AnyMarketEvent
from schemas.quality import QualityMinute, QualityRecord
from tests.streams import raw

FILE = Path(__file__).resolve().parents[2] / "config" / "feature_registry" / "1.2.0.yaml"
SMALL = FeatureSet.compile(parse_registry(FILE.read_text(), where=FILE.name))


def quality_of(events: Iterable[AnyMarketEvent]) -> tuple[list[QualityMinute], list[QualityRecord]]:
    """What the features flow says of the data of one shard."""
    outputs = engine(SMALL, 0).feed(raw(list(events)))
    minutes = [decode_quality_minute(one.value) for one in outputs if one.topic == "quality-minutes"]
    return minutes, [decode_quality(one.value) for one in outputs if one.topic == "quality"]
