"""/openapi.json, made from what the code goes by: the routes' declarations, the parameters checked, the shapes answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from searchapi import shapes
from searchapi.keys import Role
from searchapi.params import Parameter, Schema

JSON, PROBLEM = "application/json", "application/problem+json"


@dataclass(frozen=True, slots=True)
class Failure:
    """A way in which a request fails: always a problem+json."""

    status: HTTPStatus
    description: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one address takes and gives. `gives` is a shape, or the media type of an answer that is no JSON of ours.

    `role` opens it where searchapi has keys; None: it is open to all. `more` opens what one of its parameters asks for.
    """

    path: str
    name: str
    summary: str
    description: str = ""
    takes: tuple[Parameter, ...] = ()
    gives: type | str
    told: str
    fails: tuple[Failure, ...] = ()
    headers: tuple[str, ...] = ()
    role: Role | None = Role.SEARCH
    more: Role | None = None


def no_leaflet(description: str = "There is no such leaflet.") -> Failure:
    """404 of an address that names a leaflet."""
    return Failure(HTTPStatus.NOT_FOUND, description)


DOWN = Failure(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "OpenSearch does not answer or holds no index yet; more is asked at once than can be answered; or there was no answer in time.",
    ("Retry-After",),
)
TOO_MANY = Failure(
    HTTPStatus.TOO_MANY_REQUESTS,
    "Asked more often than the key's, or the address's, limit.",
    ("Retry-After", "RateLimit-Policy", "RateLimit"),
)
_ALWAYS = (
    Failure(HTTPStatus.BAD_REQUEST, "A parameter cannot be used, does not exist or was given twice; `parameter` names it."),
    Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Something that nobody foresaw went wrong; it was logged."),
)

_HEADERS = {
    "ETag": "For `If-None-Match`; weak, the same for every content coding.",
    "Cache-Status": "Where the answer came from (RFC 9211): `searchapi; hit`, `fwd=miss`, `fwd=bypass` for explanations, or "
    "`hit; fwd=stale` of one that is made anew meanwhile or that nobody can check now (`freshness.answer_age_seconds`).",
    "Age": "Only of an answer that was kept: seconds since it was made.",
    "Retry-After": "Seconds to wait before asking again.",
    "WWW-Authenticate": "How a key is sent.",
    "RateLimit-Policy": "The limit: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers).",
    "RateLimit": "What is left of it: `r` requests, for `t` seconds more.",
}
_ABOUT = (
    "Ranked, highlighted passages of medicine leaflets. `html` is safe to insert: the text is escaped, only <mark> is markup.\n\n"
    "Every address answers HEAD as it answers GET, and OPTIONS with what it allows. Answers carry a weak ETag, honour `If-None-Match` and "
    "are compressed with gzip for those who accept it. Every failure is a problem+json (RFC 9457), also those that are told nowhere below: "
    "404 of an unknown address, 405 with `Allow`, 413, 414 and 431 of what is too long to be read. A parameter that does not exist is an "
    "error that names the nearest one. Answers tell with `RateLimit-Policy` and `RateLimit` what an asker who is counted may still ask."
)


def document(operations: Sequence[Operation]) -> Mapping[str, object]:
    """The document of these addresses, as OpenAPI 3.1."""
    told: list[type] = [operation.gives for operation in operations if not isinstance(operation.gives, str)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bulário search API",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {operation.path: {"get": _operation(operation)} for operation in operations},
        "components": {
            "schemas": _schemas((*told, shapes.Problem)),
            "headers": {name: {"description": said, "schema": {"type": "string"}} for name, said in _HEADERS.items()},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of API_KEYS_FILE: `searchapi keys new NAME --role search` makes one.",
                },
                "password": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The same key as the password, for browsers; any user name.",
                },
            },
        },
    }


@cache
def _schemas(told: tuple[type, ...]) -> JsonSchemaValue:
    """JSON Schema of these shapes and of what they hold; made once a process, as their source is read for it."""
    _, schemas = TypeAdapter.json_schemas(
        [(shape, "serialization", TypeAdapter[Any](shape)) for shape in told],  # what a shape holds is its own business
        ref_template="#/components/schemas/{model}",
        schema_generator=_Untitled,
    )
    return _plain(schemas["$defs"])


class _Untitled(GenerateJsonSchema):
    """JSON Schema without a title on each field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # pydantic's own type is private
        del schema
        return False


def _plain(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Schemas with descriptions of one line each: docstrings are wrapped for readers of the code."""
    return {name: _lines(told) for name, told in schema.items()}


def _lines(told: Any) -> Any:  # JSON Schema of any depth
    if isinstance(told, list):
        return [_lines(one) for one in told]
    if not isinstance(told, dict):
        return told
    described = told.get("description")
    lines = {key: _lines(value) for key, value in told.items()}
    return lines | {"description": " ".join(described.split())} if isinstance(described, str) else lines


def _operation(operation: Operation) -> Schema:
    told: Schema = {"operationId": operation.name, "summary": operation.summary}
    if operation.description:
        told["description"] = operation.description
    if operation.takes:
        told["parameters"] = [_parameter(parameter) for parameter in operation.takes]
    unchanged = {"description": "The answer is the one of the ETag that `If-None-Match` named.", "headers": _headers(("ETag",))}
    failures = sorted((*_ALWAYS, *_guarded(operation), *operation.fails), key=lambda failure: failure.status)
    told["responses"] = {
        "200": {
            "description": operation.told,
            "headers": _headers(("ETag", *operation.headers)),
            "content": _content(operation.gives),
        },
        "304": unchanged,
        **{str(int(failure.status)): _failure(failure) for failure in failures},
    }
    if operation.role:
        told["security"] = [{}, {"key": []}, {"password": []}]
    return told


def _guarded(operation: Operation) -> tuple[Failure, ...]:
    """How an address fails that may need a key."""
    if not operation.role:
        return ()
    also = f" or {operation.more}=1" if operation.more else ""
    lacks = f"{operation.role} or, with {operation.more}=1, {operation.more}" if operation.more else operation.role
    return (
        Failure(
            HTTPStatus.UNAUTHORIZED,
            f"No key, or one that API_KEYS_FILE does not have, where searchapi has keys{also}.",
            ("WWW-Authenticate",),
        ),
        Failure(HTTPStatus.FORBIDDEN, f"The key lacks the role {lacks}."),
    )


def _parameter(parameter: Parameter) -> Schema:
    # A form sends the fields that nobody filled in too.
    empty: Schema = {} if parameter.required else {"allowEmptyValue": True}
    return empty | {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _failure(failure: Failure) -> Schema:
    told: Schema = {"description": failure.description, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return told | ({"headers": _headers(failure.headers)} if failure.headers else {})


def _headers(names: Sequence[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(gives: type | str) -> Schema:
    if isinstance(gives, str):
        return {gives: {"schema": {"type": "object" if gives == JSON else "string"}}}
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{gives.__name__}"}}}
