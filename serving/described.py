"""The OpenAPI document, with the key that callers need."""

from typing import Any

from fastapi import FastAPI

from serving.auth import OPEN

SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
}


def describe_keys(app: FastAPI) -> None:
    """Say in the document of ``app`` that every path but the open ones needs the key, in the header or in the query."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            document["components"]["securitySchemes"] = SCHEMES
            document["security"] = [{name: []} for name in SCHEMES]
            for path in OPEN:
                for operation in document["paths"].get(path, {}).values():
                    operation["security"] = []
        return app.openapi_schema or plain()

    app.openapi = described  # type: ignore[method-assign]
