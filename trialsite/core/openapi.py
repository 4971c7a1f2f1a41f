"""What the OpenAPI description says of every operation: how a refusal looks."""

from typing import Any, Final

_PROBLEM: Final = {
    "type": "object",
    "description": "A refusal (RFC 9457). `fields` names each field that is to blame, with sentences about it.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "examples": [
        {
            "type": "urn:trialsite:error:invalid",
            "title": "What was sent cannot be accepted.",
            "status": 422,
            "code": "invalid",
            "fields": {"site": ["There is no such hospital among yours."]},
        }
    ],
}
_REFUSAL: Final = {
    "description": "Refused; nothing was changed.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def add_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular: each operation may also answer with a problem."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = _REFUSAL
    return result
