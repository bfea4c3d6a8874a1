"""Feature vectors and finished datasets as the other model-service reads them."""

from typing import Any

import msgspec

from connectors.peers.times import zulu
from connectors.rabbitmq.publish import Outgoing
from schemas.codec import decode_vector

LIVE = "features.live"
DATASET_READY = "features.dataset.ready"


def feature_message(value: bytes, expiration: float) -> Outgoing | None:
    """The message for a record of ``features``, which expires in the queue after ``expiration`` seconds: nobody may be
    reading it. None for a tainted vector, which must not reach a model.

    An unknown feature is absent, never null: the reader refuses a message that holds one.

    Raises:
        msgspec.DecodeError: when the record is no feature vector.
    """
    vector = decode_vector(value)
    if vector.tainted:
        return None
    trace = str(vector.origin.uuid("trace"))
    body = {
        "timestamp": zulu(vector.ts),
        "symbol": vector.symbol,
        "features": {name: number for name, number in vector.features.items() if number is not None},
        "feature_registry_version": vector.feature_registry_version,
        "trace_id": trace,
    }
    return Outgoing(vector.symbol, msgspec.json.encode(body), trace, vector.ts, expiration)


def dataset_message(
    dataset_id: str,
    symbol: str,
    records: dict[str, int],
    splits: dict[str, Any],
    downloads: dict[str, str],
    made: int,
    trace_id: str | None = None,
) -> Outgoing:
    """A dataset is finished: in the shape that is read today and in the one of the specification, in one object.

    Args:
        records: rows of ``train``, ``validation`` and ``test``.
        splits: what is known of each split.
        downloads: where each split can be fetched.
        made: microseconds UTC.
    """
    body = {
        "dataset_id": dataset_id,
        "symbol": symbol,
        "status": "ready",
        **{f"{split}_records": records[split] for split in ("train", "validation", "test")},
        "splits_info": splits,
        "download_urls": downloads,
        "trace_id": trace_id,
    }
    return Outgoing(symbol, msgspec.json.encode(body), trace_id, made)
