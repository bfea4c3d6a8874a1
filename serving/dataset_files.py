"""The files of a dataset, one split or all of them, and evaluating models on them."""

import os
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from learning.builds.resplit import resplit
from serving.database import Database, History
from serving.dataset_request import Periods, spans_of, wrong_periods
from serving.datasets import UNKNOWN, WRONG, row_of
from serving.times import iso, now

TYPES = {"parquet": "application/octet-stream", "csv": "text/csv", "zip": "application/zip", "tar": "application/x-tar"}
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of everything in an archive, so that the same files give the same bytes; ZIP knows no earlier one."""
BLOCK = 1 << 20

router = APIRouter(prefix="/dataset", tags=["datasets"])


class Resplit(BaseModel):
    """The new counts."""

    dataset_id: UUID = Field(examples=["8d5f0f0e-6a35-4f57-9b6a-8f8b8f0b7d11"])
    status: Literal["ready"] = "ready"
    train_records: int = Field(examples=[43_200])
    validation_records: int = Field(examples=[10_080])
    test_records: int = Field(examples=[1_440])
    message: str = Field(examples=["split again: 55 rows of the new periods are not in the dataset"])


@router.get("/{dataset_id}/download", response_class=FileResponse, responses={**WRONG, **UNKNOWN})
def download(
    dataset_id: UUID,
    history: History,
    split: Annotated[str, Query(description="train, validation, test, or all as one archive.")] = "train",
    fold: Annotated[int | None, Query(ge=0, description="Of a walk-forward dataset; unset: its first one.")] = None,
    archive: Annotated[Literal["zip", "tar"], Query(description="The archive for all.")] = "zip",
) -> FileResponse:
    """The rows of one split, or everything with ``metadata.json`` as one archive."""
    row = ready(history, dataset_id)
    folder = Path(row["storage_path"])
    if split == "all":
        return whole(dataset_id, folder, row, fold, archive)
    if split not in ("train", "validation", "test"):
        raise HTTPException(400, f"split {split}: ask for train, validation, test or all")
    name, info = split_of(row["metadata"], split, fold)
    path = folder / info["file"]
    if not info["file"] or not path.is_file():
        raise HTTPException(404, f"split {name} of dataset {dataset_id} has no rows, so there is no file")
    form = row["output_format"]
    headers = {
        "X-Feature-Registry-Version": row["feature_registry_version"],
        "X-Dataset-Split": name,
        "X-Dataset-Records": str(info["rows"]),
        "X-Dataset-Period-Start": iso(info["start"]),
        "X-Dataset-Period-End": iso(info["end"]),
    }
    file = f"{dataset_id}_{name.replace('/', '_')}.{form}"
    return FileResponse(path, media_type=TYPES[form], filename=file, headers=headers)


@router.post("/{dataset_id}/resplit", responses={**WRONG, **UNKNOWN})
def split_again(dataset_id: UUID, asked: Periods, history: History) -> Resplit:
    """Put the rows of a ready, time_based dataset into other periods; those that are left out stay as they are."""
    row = ready(history, dataset_id)
    if row["split_strategy"] != "time_based":
        raise HTTPException(400, f"dataset {dataset_id} is {row['split_strategy']}: only time_based ones can be split")
    before = {name: row[name] for name in Periods.model_fields}
    wanted = Periods.model_validate(before | asked.model_dump(exclude_none=True))
    if found := [*wrong_periods(wanted, now())]:
        raise HTTPException(400, "; ".join(found))
    try:
        with history.writing() as connection:
            counts, missing = resplit(connection, dataset_id, spans_of(wanted))
    except (LookupError, ValueError, OSError) as problem:
        raise HTTPException(400, str(problem)) from problem
    message = "split again" + (f": {missing} rows stand in none of the new periods" if missing else "")
    return Resplit(
        dataset_id=dataset_id,
        train_records=counts["train"],
        validation_records=counts["validation"],
        test_records=counts["test"],
        message=message,
    )


def ready(history: Database, dataset_id: UUID) -> dict[str, Any]:
    """The row of a dataset that can be read.

    Raises:
        HTTPException: 404 when there is none, 400 while it is not ready, or where another system made it.
    """
    row = row_of(history, dataset_id)
    if row["status"] != "ready":
        raise HTTPException(400, f"dataset {dataset_id} is {row['status']}, not ready")
    if "splits" not in (row["metadata"] or {}):
        raise HTTPException(400, f"dataset {dataset_id} was made by another system: its files are not known here")
    return row


def split_of(metadata: dict[str, Any], split: str, fold: int | None) -> tuple[str, dict[str, Any]]:
    """A split's name, with its fold, and what is known of it.

    Raises:
        HTTPException: 404 for a fold that was not kept, 400 for a fold of a dataset without any.
    """
    folds = metadata.get("folds") or []
    if not folds and fold is not None:
        raise HTTPException(400, "only walk-forward datasets have folds")
    if folds and fold not in (None, *folds):
        raise HTTPException(404, f"there is no fold {fold}, but {', '.join(map(str, folds))}")
    name = f"fold_{folds[0] if fold is None else fold}/{split}" if folds else split
    empty = {"file": "", "rows": 0, "start": 0, "end": 0}
    return name, metadata["splits"].get(name, empty)


def whole(
    dataset_id: UUID, folder: Path, row: dict[str, Any], fold: int | None, form: Literal["zip", "tar"]
) -> FileResponse:
    """All files of a dataset, or of one fold, with its metadata; the archive is made beside and removed when sent."""
    splits = row["metadata"]["splits"]
    names = [info["file"] for key, info in sorted(splits.items()) if fold is None or key.startswith(f"fold_{fold}/")]
    files = [name for name in (*names, "metadata.json") if name and (folder / name).is_file()]
    if len(files) < 2:
        raise HTTPException(404, f"dataset {dataset_id} has no file to send")
    handle, path = tempfile.mkstemp(prefix="dataset-", suffix=f".{form}")
    os.close(handle)
    pack(Path(path), folder, files, form)
    headers = {"X-Feature-Registry-Version": row["feature_registry_version"], "X-Dataset-Split": "all"}
    name = f"{dataset_id}_all.{form}" if fold is None else f"{dataset_id}_fold_{fold}_all.{form}"
    gone = BackgroundTask(Path(path).unlink, missing_ok=True)
    return FileResponse(path, media_type=TYPES[form], filename=name, headers=headers, background=gone)


def pack(path: Path, folder: Path, files: list[str], form: Literal["zip", "tar"]) -> None:
    """Write files below a folder into an archive; the same files give the same bytes."""
    if form == "tar":
        with tarfile.open(path, "w") as tar:
            for name in files:
                info = tarfile.TarInfo(name)
                info.size = (folder / name).stat().st_size
                with (folder / name).open("rb") as content:
                    tar.addfile(info, content)
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in files:
            with (folder / name).open("rb") as content, archive.open(zipfile.ZipInfo(name, EPOCH), "w") as packed:
                while block := content.read(BLOCK):
                    packed.write(block)
