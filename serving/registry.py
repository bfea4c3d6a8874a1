"""The feature registry: which version is active, the others, and putting one in force without a restart."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from learning.registries import activation, versions
from learning.registries.computations import Computations
from learning.registries.where import Where
from serving.errors import Error
from serving.registry_errors import answered
from serving.registry_out import (
    ActivatedOut,
    ActivateIn,
    ChangeOut,
    CheckOut,
    CreateIn,
    RegistryOut,
    ReloadIn,
    RollbackIn,
    RollbackOut,
    SyncOut,
    UsageOut,
    VersionItem,
    VersionName,
    VersionOut,
    activated_of,
    change_of,
    registry_of,
    rollback_of,
    sync_of,
    usage_of,
)
from serving.site import At

AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Error}}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Error}, **AWAY}
WRONG: dict[int | str, dict[str, Any]] = {400: {"model": Error}, **AWAY}
HELD: dict[int | str, dict[str, Any]] = {409: {"model": Error}}

router = APIRouter(prefix="/feature-registry", tags=["feature registry"])


def place_of(site: At) -> Where:
    """Where the versions are.

    Raises:
        HTTPException: 503 when the application was started without any.
    """
    if site.feature_registries is None:
        raise HTTPException(503, "this API was started without feature registries: use lockstep serve")
    return site.feature_registries


def computations_of(request: Request) -> Computations:
    """What is known of vectors and their versions, from one question to the next."""
    known: Computations = request.app.state.registry_computations
    return known


There = Annotated[Where, Depends(place_of)]
Known = Annotated[Computations, Depends(computations_of)]


@router.get("", responses=UNKNOWN)
def active(where: There) -> RegistryOut:
    """The active registry."""
    with answered():
        return RegistryOut(**registry_of(versions.active(where)))


@router.post("/reload", responses={**UNKNOWN, **WRONG, **HELD})
def reload(where: There, body: ReloadIn | None = None) -> RegistryOut:
    """Read the active version's file again and, where it changed, put what it says in force. An invalid file changes
    nothing."""
    wanted = body or ReloadIn()
    with answered():
        activation.reload(where, wanted.created_by, wanted.acknowledge_breaking_changes)
        return RegistryOut(**registry_of(versions.active(where)))


@router.get("/validate", responses=UNKNOWN)
def validate(where: There) -> CheckOut:
    """Check the active version's file, also against what the log has of its sources."""
    with answered():
        found = versions.validate(where)
    return CheckOut(is_valid=not found.problems, validation_errors=found.problems, warnings=found.warnings)


@router.get("/history", responses=AWAY)
def history(
    where: There,
    version: Annotated[str | None, Query(max_length=50, pattern=r"^[ -~]*$", examples=["1.0.0"])] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ChangeOut]:
    """Who changed what, when and why, the newest first."""
    with answered():
        return [change_of(row) for row in versions.history(where, version, limit)]


@router.get("/versions", responses=AWAY)
def list_versions(where: There, known: Known) -> list[VersionItem]:
    """Every version, the newest first."""
    with answered():
        return [VersionItem(**registry_of(row)) for row in versions.versions(where, known)]


@router.post("/versions", status_code=201, responses={**WRONG, **HELD})
def create(body: CreateIn, where: There) -> VersionOut:
    """Make a version. It is in force when it is activated."""
    with answered():
        row = versions.create(where, body.version, body.config, body.created_by, script=body.migration_script)
    return VersionOut(**registry_of(row))


@router.get("/versions/{version}", responses=UNKNOWN)
def version(version: VersionName, where: There) -> VersionOut:
    """Everything that is known of a version."""
    with answered():
        return VersionOut(**registry_of(versions.version(where, version)))


@router.post("/versions/{version}/activate", responses={**UNKNOWN, **WRONG, **HELD})
def activate(version: VersionName, where: There, body: ActivateIn | None = None) -> ActivatedOut:
    """Put a version in force on every shard: vectors carry it from one second on, in every replay. What fails before,
    and what a shard refuses, leaves the version before in force and is answered with 409."""
    wanted = body or ActivateIn()
    with answered():
        done = activation.activate(
            where, version, wanted.created_by, wanted.activation_reason or "", wanted.acknowledge_breaking_changes
        )
    return activated_of(done)


@router.post("/rollback", responses={**WRONG, **HELD})
def rollback(where: There, body: RollbackIn | None = None) -> RollbackOut:
    """Return to the version before the active one."""
    wanted = body or RollbackIn()
    with answered():
        done, _ = activation.rollback(where, wanted.created_by, wanted.rollback_reason or "")
    return rollback_of(done)


@router.get("/versions/{version}/usage", responses=UNKNOWN)
def usage(version: VersionName, where: There, known: Known) -> UsageOut:
    """Who needs a version: datasets, and vectors of the last 24 hours."""
    with answered():
        return usage_of(versions.usage(where, version, known))


@router.delete("/versions/{version}", status_code=204, responses={**UNKNOWN, **WRONG, **HELD})
def delete(version: VersionName, where: There, known: Known) -> Response:
    """Delete a version that nobody needs."""
    with answered():
        versions.delete(where, version, "api", computations=known)
    return Response(status_code=204)


@router.post("/versions/{version}/sync-file", responses=UNKNOWN)
def sync_file(version: VersionName, where: There) -> SyncOut:
    """Read a version's file again after somebody edited it."""
    with answered():
        return sync_of(versions.sync_file(where, version, "api"))
