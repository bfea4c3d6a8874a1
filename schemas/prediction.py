"""What models foretold, and what came of it."""

from typing import Literal

import msgspec

from schemas.market import Side
from schemas.origin import Origin

Role = Literal["online", "champion", "shadow"]


class _Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    pass


class Prediction(_Record, frozen=True, gc=False, omit_defaults=True, tag="prediction"):
    """What ``model`` says at the vector of ``ts`` about the price ``horizon`` seconds later.

    ``probabilities`` are by class, ``"-1"``, ``"0"``, ``"1"`` (down, flat, up), and sum to 1; ``label`` is the
    likeliest and ``confidence`` its probability. ``price`` is the last price known at ``ts``. ``side`` is what the
    strategy would do of it: nothing where the confidence is below what it asks for.
    """

    strategy: str
    symbol: str
    ts: int
    model: str
    role: Role
    horizon: int
    threshold: float
    price: float
    probabilities: dict[str, float]
    label: int
    confidence: float
    origin: Origin
    side: Side | None = None


class Outcome(_Record, frozen=True, gc=False, omit_defaults=True, tag="outcome"):
    """What came of the prediction of ``ts``, known at ``matured`` = ts + horizon.

    ``change`` is the return, ``label`` its class, ``predicted`` and ``probabilities`` what had been said;
    ``prediction`` is the origin of that record. A window with a gap or tainted vectors has no outcome.
    """

    strategy: str
    symbol: str
    ts: int
    matured: int
    model: str
    role: Role
    price: float
    later: float
    change: float
    label: int
    predicted: int
    probabilities: dict[str, float]
    prediction: Origin
    origin: Origin
    side: Side | None = None


class Score(_Record, frozen=True, gc=False, omit_defaults=True, tag="score"):
    """How well a model did over its last ``samples`` outcomes of one symbol, once a minute if there were new ones.

    ``accuracy`` is a share; ``majority`` that of the most frequent class; ``log_loss`` in nats; ``roc_auc`` one class
    against the others, weighted by frequency, None with a single class; ``calibration`` the expected calibration error
    over ten bins; ``learned`` how many outcomes the model has learnt from (online) since it began.
    """

    strategy: str
    symbol: str
    ts: int
    model: str
    role: Role
    samples: int
    accuracy: float
    majority: float
    log_loss: float
    brier: float
    calibration: float
    origin: Origin
    roc_auc: float | None = None
    learned: int = 0


AnyPrediction = Prediction | Outcome | Score
