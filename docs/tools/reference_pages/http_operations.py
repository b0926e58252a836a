"""``http-operations.md``: ``openapi.json`` of the serving layer."""

import json
from typing import Any, Final, TypeAlias

from reference_pages.markdown import ROOT, page, table

Json: TypeAlias = dict[str, Any]


def render() -> str:
    """The page ``http-operations.md``."""
    document: Json = json.loads((ROOT / "layers/larder/larder/openapi.json").read_text(encoding="utf-8"))
    introduction = (
        f"{document['info']['description']}\n\nThis page is the OpenAPI document (`GET /openapi.json`) as text. "
        "[The HTTP API](http-api.md) has an example for each operation."
    )
    operations = [
        _operation(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [f"## {name}\n\n{_schema_text(document, schema)}" for name, schema in _objects(document)]
    return page("HTTP operations", introduction, *operations, *schemas)


def _resolved(document: Json, node: Json) -> Json:
    while "$ref" in node:
        target: Any = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def _operation(document: Json, method: str, path: str, operation: Json) -> str:
    parts = [f"## {method.upper()} {path}", f"{operation['summary']}. {operation.get('description', '')}".strip()]
    if parameters := [_resolved(document, parameter) for parameter in operation.get("parameters", [])]:
        rows = [
            [
                f"`{parameter['name']}`",
                parameter["in"],
                _kind(document, parameter["schema"]),
                parameter.get("description", ""),
            ]
            for parameter in parameters
        ]
        parts.append(table(["parameter", "in", "value", "meaning"], rows))
    if "requestBody" in operation:
        bodies = operation["requestBody"]["content"].items()
        parts.append(
            table(["body", "value"], [[f"`{media}`", _kind(document, body["schema"])] for media, body in bodies])
        )
    rows = [
        [status, _answer(document, _resolved(document, response))]
        for status, response in operation["responses"].items()
    ]
    return "\n\n".join([*parts, table(["status", "answer"], rows)])


def _answer(document: Json, response: Json) -> str:
    schemas = [body["schema"] for body in response.get("content", {}).values() if "schema" in body]
    named = [_kind(document, schema) for schema in schemas if "$ref" in schema]
    return " ".join([response["description"], *(f"({name})" for name in named)])


def _objects(document: Json) -> list[tuple[str, Json]]:
    schemas: dict[str, Json] = document["components"]["schemas"]
    return [(name, schema) for name, schema in schemas.items() if schema.get("type") == "object"]


def _schema_text(document: Json, schema: Json) -> str:
    required = set(schema.get("required", []))
    rows = [
        [
            f"`{name}`",
            _kind(document, field),
            "yes" if name in required else "",
            _resolved(document, field).get("description", ""),
        ]
        for name, field in schema.get("properties", {}).items()
    ]
    text: str = schema.get("description", "")
    return "\n\n".join(
        part for part in (text, table(["field", "value", "required", "meaning"], rows) if rows else "") if part
    )


_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches `{}`",
}


def _kind(document: Json, schema: Json) -> str:
    """A schema in a few words: type, values and bounds, or a link to the section of an object."""
    if "$ref" in schema:
        name, target = schema["$ref"].rsplit("/", 1)[1], _resolved(document, schema)
        return f"[{name}](#{name.lower()})" if target.get("type") == "object" else _kind(document, target)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "oneOf" in schema and "type" not in schema:
        return " or ".join(_kind(document, choice) for choice in schema["oneOf"])
    types = schema.get("type", "any")
    kind = " or ".join(types) if isinstance(types, list) else types
    if kind == "array":
        kind = f"array of {_kind(document, schema['items'])}"
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *bounds])
