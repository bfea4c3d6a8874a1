"""Evaluating a model of the registry on a split of a dataset."""

from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from learning.datasets.reading import matrix, read_split
from learning.files import ModelFiles
from learning.registry.metrics import Metric
from learning.registry.versions import record_metrics
from learning.training.evaluation import Evaluation, evaluate
from learning.training.opened import OpenedModel
from learning.training.rows import Rows
from operators.online.models import Unusable
from schemas.origin import NAMESPACE
from serving.body import Given
from serving.database import Database, History
from serving.dataset_files import ready, split_of
from serving.datasets import UNKNOWN, WRONG
from serving.models import row_of, usable
from serving.site import At, Site
from serving.times import now

EXAMPLE: dict[str, Any] = {
    "dataset_id": "8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11", "split": "test", "model_version": "v1741079704",
    "metrics_to_compute": ["accuracy", "roc_auc"],
}  # fmt: skip


class EvaluateIn(Given):
    """``metrics_to_compute``: none means all. ``fold`` of a walk-forward dataset; unset: its first one."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]}, protected_namespaces=())

    dataset_id: UUID
    split: Literal["test", "validation"] = "test"
    model_version: Annotated[str, Field(pattern=r"^v[0-9]+(\.[0-9]+)?$")]
    metrics_to_compute: list[str] = Field(default_factory=list, examples=[["accuracy"]])
    fold: int | None = Field(default=None, ge=0)


class EvaluateOut(BaseModel):
    """``metrics`` are the names, ``values`` the figures; one that the rows do not allow is null."""

    model_config = {"protected_namespaces": ()}

    evaluation_id: UUID = Field(examples=["0f8fad5b-d9cb-569f-a165-70867728950e"])
    dataset_id: UUID = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    split: str = Field(examples=["test"])
    model_version: str = Field(examples=["v1741079704"])
    metrics: list[str] = Field(examples=[["accuracy", "roc_auc"]])
    values: dict[str, float | None] = Field(examples=[{"accuracy": 0.78, "roc_auc": 0.81}])
    prepared_dataset_url: str = Field(examples=["/dataset/8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11/download?split=test"])
    metadata: dict[str, Any] = Field(examples=[{"records": 1440, "confusion": [[10, 1, 2], [0, 9, 1], [1, 2, 8]]}])


router = APIRouter(tags=["models"])


@router.post("/model/evaluate", responses={**WRONG, **UNKNOWN})
@router.post("/dataset/model/evaluate", responses={**WRONG, **UNKNOWN}, include_in_schema=False)
def evaluate_model(asked: Annotated[EvaluateIn, Body()], history: History, site: At) -> EvaluateOut:
    """How good a model is on rows of a dataset; the figures are kept among the model's metrics."""
    row = ready(history, asked.dataset_id)
    if row["metadata"].get("look_ahead"):
        raise HTTPException(
            400,
            f"dataset {asked.dataset_id} knows the future: its missing values were interpolated, so what a model scores"
            " on it says nothing about what it can do",
        )
    name, info = split_of(row["metadata"], asked.split, asked.fold)
    if not info["rows"]:
        raise HTTPException(400, f"split {name} of dataset {asked.dataset_id} has no rows to evaluate on")
    model = opened(history, site, asked.model_version)
    fits(model, row)
    judged = evaluate(model.fitted, rows_of(Path(row["storage_path"]), name, model))
    figures = chosen(judged, asked.metrics_to_compute)
    at = now()
    kept = [
        Metric(metric, value, asked.split, at, judged.rows, {"dataset_id": str(asked.dataset_id), "by": "api"})
        for metric, value in figures.items()
        if value is not None
    ]
    with history.writing() as connection:
        record_metrics(connection, asked.model_version, kept)  # type: ignore[arg-type]
    fold = f"&fold={name.partition('/')[0].removeprefix('fold_')}" if "/" in name else ""
    return EvaluateOut(
        evaluation_id=uuid5(NAMESPACE, f"evaluation/{asked.dataset_id}/{name}/{asked.model_version}/{at}"),
        dataset_id=asked.dataset_id,
        split=asked.split,
        model_version=asked.model_version,
        metrics=list(figures),
        values=figures,
        prepared_dataset_url=f"/dataset/{asked.dataset_id}/download?split={asked.split}{fold}",
        metadata={
            "records": judged.rows,
            "confusion": [list(row) for row in judged.confusion],
            "classes": list(model.fitted.classes),
            "feature_registry_version": row["feature_registry_version"],
            "period_start": info["start"],
            "period_end": info["end"],
        },
    )


def opened(history: Database, site: Site, version: str) -> OpenedModel:
    """A model of the registry.

    Raises:
        HTTPException: 404 when there is none, 400 when its file cannot be used.
    """
    sha256 = usable(site, row_of(history, version))
    try:
        return ModelFiles(site.models).load(version, sha256)
    except Unusable as problem:
        raise HTTPException(400, str(problem)) from problem


def fits(model: OpenedModel, row: dict[str, Any]) -> None:
    """Check that a dataset has what a model looks at, and asks what it answers.

    Raises:
        HTTPException: 400 naming what does not fit.
    """
    metadata, target = row["metadata"], row["target_config"]
    missing = [name for name in model.features if name not in metadata["features"]]
    wanted = model.target
    problems = [f"the dataset lacks {', '.join(missing)}"] if missing else []
    if (target["type"], target["horizon"]) != (wanted.kind, wanted.horizon):
        problems.append(
            f"the dataset asks for {target['type']} in {target['horizon']} s, the model answers {wanted.kind} in"
            f" {wanted.horizon} s"
        )
    elif wanted.kind == "classification" and target["threshold"] != wanted.threshold:
        problems.append(f"the dataset's threshold is {target['threshold']}, the model's {wanted.threshold}")
    if problems:
        raise HTTPException(400, f"model {model.version} does not fit: {'; '.join(problems)}")


def rows_of(folder: Path, name: str, model: OpenedModel) -> Rows:
    """The rows of a split as the model wants them."""
    fold, _, split = name.rpartition("/")
    table = read_split(folder, split, int(fold.removeprefix("fold_")) if fold else None)
    return Rows(*matrix(table, model.features))


def chosen(judged: Evaluation, names: list[str]) -> dict[str, float | None]:
    """The figures that were asked for.

    Raises:
        HTTPException: 400 for one that there is not.
    """
    if unknown := [name for name in names if name not in judged.figures]:
        raise HTTPException(400, f"unknown metrics: {', '.join(unknown)}; there are {', '.join(judged.figures)}")
    return {name: value for name, value in judged.figures.items() if not names or name in names}
