"""Errors as JSON: ``detail``, ``error`` and ``trace_id``, so that every kind of client finds its key."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from serving.methods import path_of
from serving.trace import HEADER, trace_of

LOGGER = structlog.get_logger()


class Error(BaseModel):
    """What went wrong (``detail``), its kind (``error``), and the trace to look for in the log."""

    detail: Any = Field(examples=["what was wrong, and what to do"])
    error: str = Field(examples=["Not Found"])
    trace_id: str = Field(examples=["77f1f3a2-8d0e-4c92-b1ee-0f5f6a7b8c9d"])


def error(status: int, detail: Any, trace_id: str) -> JSONResponse:
    """The answer to a request that failed."""
    body = Error(detail=detail, error=HTTPStatus(status).phrase, trace_id=trace_id)
    return JSONResponse(body.model_dump(), status)


def no_method(request: Request) -> JSONResponse | None:
    """The answer to a method that a path does not have; None where it has it.

    ``DELETE /dataset/list`` is one, though there is ``DELETE /dataset/{dataset_id}``.
    """
    found = path_of(request.app, request.scope["path"])
    if found is None or request.method in found.methods:
        return None
    methods = ", ".join(sorted(found.methods))
    answer = error(405, f"{found.template} has {methods}, not {request.method}", trace_of(request.scope))
    answer.headers["Allow"] = methods
    return answer


def add_error_answers(app: FastAPI) -> None:
    """Give every failure of ``app`` the same shape."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, problem: HTTPException) -> JSONResponse:
        if problem.status_code == 405 and (answer := no_method(request)):
            return answer
        answer = error(problem.status_code, problem.detail, trace_of(request.scope))
        answer.headers.update(problem.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, problem: RequestValidationError) -> JSONResponse:
        if answer := no_method(request):
            return answer
        return error(422, jsonable_encoder(problem.errors()), trace_of(request.scope))

    @app.exception_handler(Exception)
    async def failed(request: Request, problem: Exception) -> JSONResponse:
        # This answer is made outside of every middleware, so the trace id is neither bound nor added by itself.
        trace_id = trace_of(request.scope)
        LOGGER.error("api.failed", path=request.url.path, trace_id=trace_id, exc_info=problem)
        answer = error(500, "this is a defect: see the log under this trace_id", trace_id)
        answer.headers[HEADER] = trace_id
        return answer
