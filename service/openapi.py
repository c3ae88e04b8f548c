"""The OpenAPI 3.1 document, made from the operations and from the structs that they speak in. Pure.

Whatever a route takes, answers or refuses stands in service/operations.py; the shapes of bodies
come from msgspec, with the limits that the structs' annotations tell.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from service import headers
from service.operations import Answer, Operation
from service.payloads import Resync, StreamEnd
from service.problems import KINDS, ProblemDocument

Json = dict[str, Any]

_DESCRIPTION = (
    "Buying virtual numbers and following what becomes of them. Changes come over a WebSocket, as "
    "Server-Sent Events or by polling, all with the same cursor. docs/api.md tells it in prose."
)
_REF = "#/components/schemas/{name}"
_PROBLEM = {"$ref": _REF.format(name=ProblemDocument.__name__)}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[Operation]) -> bytes:
    """The document for these operations, as JSON."""
    listed = list(operations)
    paths: Json = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Sonnette",
            "version": version("sonnette"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(listed),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token_in_url": {"type": "apiKey", "in": "query", "name": "access_token"},
            },
        },
    }
    return msgspec.json.encode(whole)


def _schemas(operations: Sequence[Operation]) -> Json:
    kinds: dict[type[msgspec.Struct], None] = dict.fromkeys([ProblemDocument, Resync, StreamEnd])
    for operation in operations:
        kinds |= dict.fromkeys(
            answer.payload for answer in operation.answers.values() if answer.payload
        )
        kinds |= {operation.body: None} if operation.body else {}
    _, components = msgspec.json.schema_components(tuple(kinds), ref_template=_REF)
    return components


def _operation(operation: Operation) -> Json:
    parameters = [*_path_parameters(operation), *_query_parameters(operation)]
    parameters += [_header_parameter(name) for name in (*operation.headers, headers.REQUEST_ID)]
    found: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            **{str(status): _success(answer) for status, answer in operation.answers.items()},
            **_refusals(operation),
        },
    }
    if operation.body is not None:
        found["requestBody"] = _body(operation.body)
    if operation.needs_user:
        in_url = "access_token" in operation.query.__struct_fields__
        found["security"] = [{"token": []}, *([{"token_in_url": []}] if in_url else [])]
    return found


def _body(kind: type[msgspec.Struct]) -> Json:
    schema = {"$ref": _REF.format(name=kind.__name__)}
    required = kind.__struct_fields__ != ()
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _path_parameters(operation: Operation) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in _PLACEHOLDER.findall(operation.path)
    ]


def _path_schema(name: str) -> Json:
    return {"type": "string", "format": "uuid"} if name == "activation_id" else {"type": "string"}


def _query_parameters(operation: Operation) -> list[Json]:
    _, components = msgspec.json.schema_components((operation.query,), ref_template=_REF)
    properties: Mapping[str, Json] = components[operation.query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _given(schema)}
        for name, schema in properties.items()
        if name != "access_token"  # it is a way to authorize
    ]


def _given(schema: Json) -> Json:
    """The schema of a parameter that is there: without the null that stands for its absence."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**kinds[0], **rest}


def _header_parameter(name: str) -> Json:
    schema, description = headers.MEANINGS[name]
    found = {"name": name, "in": "header", "required": False}
    return {**found, "schema": schema, "description": description}


def _headers(names: Iterable[str]) -> Json:
    return {
        name: {"schema": headers.MEANINGS[name][0], "description": headers.MEANINGS[name][1]}
        for name in (*names, headers.REQUEST_ID)
    }


def _success(answer: Answer) -> Json:
    schema = {"$ref": _REF.format(name=answer.payload.__name__)} if answer.payload else {}
    return {
        "description": answer.description,
        "headers": _headers(answer.headers),
        "content": {answer.media_type: {"schema": schema}},
    }


def _refusals(operation: Operation) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in operation.codes:
        by_status.setdefault(KINDS[code][0].value, []).append(code)
    return {str(status): _refusal(status, codes) for status, codes in sorted(by_status.items())}


def _refusal(status: int, codes: Sequence[str]) -> Json:
    told = {401: [headers.CHALLENGE], 429: [headers.RETRY_AFTER], 503: [headers.RETRY_AFTER]}
    schema = {"allOf": [_PROBLEM, {"properties": {"code": {"enum": list(codes)}}}]}
    return {
        "description": "; ".join(dict.fromkeys(KINDS[code][1] for code in codes)),
        "headers": _headers(told.get(status, [])),
        "content": {"application/problem+json": {"schema": schema}},
    }
