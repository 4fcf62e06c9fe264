"""A client to whom every answer must be as /openapi.json says for its address and status: all tests of the app ask through it."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

# Told once for all addresses, in the document's description.
ANYWHERE = {404, 405, 413}


class Promised(FlaskClient):
    """Flask's own, which looks at each answer."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # werkzeug's own signature
        """The answer; fails where it is not as promised."""
        response = super().open(*args, **kwargs)
        _check(self.application, response)
        return response


def _check(app: Flask, response: TestResponse) -> None:
    document = _document(app)
    schema: Any = {"$ref": "#/components/schemas/Problem"} if response.mimetype == "application/problem+json" else None
    operation = document["operations"].get(_endpoint(app, response.request.path))
    if operation and response.request.method in {"GET", "HEAD"}:
        told = operation["responses"].get(str(response.status_code))
        assert told or response.status_code in ANYWHERE, f"{response.request.path} does not tell of a {response.status_code}"
        if told:
            assert set(told.get("headers", ())) <= set(response.headers.keys())
        if told and "content" in told:
            schema = told["content"][response.mimetype]["schema"]
    if schema and response.is_json and response.data:
        body = gzip.decompress(response.data) if response.content_encoding == "gzip" else response.data
        Draft202012Validator({**schema, "components": document["components"]}).validate(json.loads(body))


def _endpoint(app: Flask, path: str) -> str:
    """The name of what answers at an address; empty where nothing does."""
    try:
        name, _ = app.url_map.bind("").match(path)
    except HTTPException:
        return ""
    return str(name).removeprefix("api.")


@cache
def _document(app: Flask) -> Any:
    """The document of an app, its operations by name."""
    # Not asked for: what counts requests, or logs them, is tested too.
    with app.test_request_context("/openapi.json"):
        told = json.loads(app.view_functions["api.openapi"]().data)  # type: ignore[union-attr]  # a response of ours
    return told | {"operations": {item["get"]["operationId"]: item["get"] for item in told["paths"].values()}}
