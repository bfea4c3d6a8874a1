"""Trainings: what runs and waits, asking for one, and asking for the dataset that one would need."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, Field

from learning.builds import table
from learning.builds.periods import periods
from learning.datasets.errors import DatasetError
from learning.datasets.request import DatasetRequest, Span, TimeBased, check
from operators.spans import DAY, SECOND
from schemas.command import Build, Train
from schemas.strategy import Strategy
from serving.body import Given
from serving.control import Ask
from serving.database import DatabaseAway, History
from serving.datasets import AWAY, WRONG, in_log
from serving.errors import Error
from serving.features import Seen
from serving.site import At
from serving.times import iso, now
from serving.training_status import STATUS, TrainingStatus, read_status
from serving.view import View

PENDING = "select count(*) as pending from datasets where status = 'building'"


class Wanted(Given):
    """Which strategy's model; unset: of the strategy that learns, if there is one alone."""

    strategy_id: str | None = Field(default=None, max_length=100, examples=["momentum"])
    symbol: str | None = Field(default=None, pattern=r"^[A-Z0-9]{4,20}$", examples=["BTCUSDT"])


class Triggered(BaseModel):
    """Whether a training was asked for; ``training_id`` is the request's, in the status and on ``learning``."""

    triggered: bool = Field(examples=[True])
    message: str = Field(examples=["a training of momentum is asked for"])
    strategy_id: str | None = Field(examples=["momentum"])
    status: str = Field(examples=["queued"])
    training_id: str | None = Field(examples=["0f8fad5b-d9cb-4f9f-a165-70867728950e"])


class Requested(BaseModel):
    """A dataset with the periods that a training would use now."""

    dataset_id: UUID = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    message: str = Field(
        examples=["a dataset of BTCUSDT from 2025-01-27T09:15:04Z to 2025-03-04T09:15:04Z is asked for"]
    )
    strategy_id: str = Field(examples=["momentum"])
    symbol: str = Field(examples=["BTCUSDT"])


router = APIRouter(prefix="/training", tags=["training"])


@router.get("/status")
def status(history: History, site: At) -> TrainingStatus:
    """What is trained now, what was last, what comes next."""
    found = read_status(site.home / STATUS)
    try:
        pending = int(history.rows(PENDING)[0]["pending"])
    except DatabaseAway:
        return found.model_copy(update={"pending_dataset_builds": None})
    return found.model_copy(update={"pending_dataset_builds": pending})


@router.post("/trigger", responses={**WRONG, **AWAY})
def trigger(view: Seen, site: At, ask: Ask, wanted: Annotated[Wanted | None, Body()] = None) -> Triggered:
    """Ask for a training now. One of the same strategy that runs is ended, and begins again with the newer data."""
    asked = wanted or Wanted()
    settings = strategy_of(view, asked)
    if not settings.learning.training.enabled:
        message = f"strategy {settings.strategy} does not train: set learning.training.enabled in its settings"
        return Triggered(
            triggered=False, message=message, strategy_id=settings.strategy, status="refused", training_id=None
        )
    symbol_of(settings, asked.symbol)
    request = str(uuid4())
    command = Train(settings.strategy, now(), "manual", "asked for", asked.symbol, True, "api", request_id=request)
    ask.command(command, settings.strategy)
    alive = read_status(site.home / STATUS).daemon_running
    later = "" if alive else "; lockstep learn does not run now: it begins when that is started"
    return Triggered(
        triggered=True,
        message=f"a training of {settings.strategy} is asked for{later}",
        strategy_id=settings.strategy,
        status="queued",
        training_id=request,
    )


@router.post("/dataset/build", responses={**WRONG, **AWAY, 500: {"model": Error}})
def build(
    view: Seen, history: History, site: At, ask: Ask, wanted: Annotated[Wanted | None, Body()] = None
) -> Requested:
    """Ask for the dataset that a training of the strategy would use now: its periods, counted back from the newest
    event."""
    asked = wanted or Wanted()
    settings = strategy_of(view, asked)
    symbol = symbol_of(settings, asked.symbol)
    with ask.log() as log:
        served = periods(log, symbol)
        if not served:
            raise HTTPException(400, f"the log has nothing of {symbol}: collect its market data first")
        version = version_of(view, symbol)
        request = request_of(settings, symbol, served[-1].end)
        try:
            check(request, site.registries(version))
        except (DatasetError, LookupError) as problem:
            raise HTTPException(400, str(problem.args[0])) from problem
        in_log(log, request)
    with history.writing() as connection:
        dataset = table.add(connection, request, version, str(site.datasets), priority=1)
    ask.command(Build(str(dataset), now(), "build", 1, symbol), symbol)
    plan = request.plan
    assert isinstance(plan, TimeBased)
    return Requested(
        dataset_id=dataset,
        message=f"a dataset of {symbol} from {iso(plan.train.start)} to {iso(plan.test.end)} is asked for",
        strategy_id=settings.strategy,
        symbol=symbol,
    )


def strategy_of(view: View, wanted: Wanted) -> Strategy:
    """The settings of the strategy that is meant.

    Raises:
        HTTPException: 400 where it is not known, or more than one could be meant.
    """
    known = {name: event.settings for name, event in view.trading.strategies.copy().items()}
    if wanted.strategy_id is not None:
        if wanted.strategy_id in known:
            return known[wanted.strategy_id]
        raise HTTPException(400, f"no strategy {wanted.strategy_id}; in force are {', '.join(sorted(known)) or 'none'}")
    learning = [settings for _, settings in sorted(known.items()) if settings.learning.training.enabled]
    if len(learning) == 1:
        return learning[0]
    names = ", ".join(settings.strategy for settings in learning) or "none"
    raise HTTPException(400, f"say strategy_id: those that train are {names}")


def symbol_of(settings: Strategy, symbol: str | None) -> str:
    """The symbol that is meant; the strategy's first where none was named.

    Raises:
        HTTPException: 400 for one that the strategy does not trade.
    """
    if symbol not in (None, *settings.symbols):
        raise HTTPException(400, f"{settings.strategy} does not trade {symbol}, but {', '.join(settings.symbols)}")
    return symbol or settings.symbols[0]


def version_of(view: View, symbol: str) -> str:
    """The registry in use, from the newest vectors.

    Raises:
        HTTPException: 400 where there was no vector yet.
    """
    vector = view.vectors.get(symbol) or next(iter(view.vectors.copy().values()), None)
    if vector is None:
        raise HTTPException(400, "no feature vector was seen yet, so the registry in use is not known: start a flow")
    return vector.feature_registry_version


def request_of(settings: Strategy, symbol: str, newest: int) -> DatasetRequest:
    """What a training that may know the log up to ``newest`` (microseconds UTC) learns from."""
    training = settings.learning.training
    end = newest // SECOND * SECOND
    test = end - round(training.test_days * DAY)
    validation = test - round(training.validation_days * DAY)
    train = max(validation - round(training.train_days * DAY), 0)
    return DatasetRequest(
        symbols=(symbol,),
        plan=TimeBased(Span(train, validation), Span(validation, test), Span(test, end)),
        target=settings.learning.target,
        every=training.every,
        features=training.features,
        embargo=training.embargo,
    )
