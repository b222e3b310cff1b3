"""`web/openapi.json`, and whether something is what it says."""

from __future__ import annotations

import json
from typing import Any

from openapi_schema_validator import OAS31Validator

from web.api import DOCUMENT

SPEC: dict[str, Any] = json.loads(DOCUMENT.read_text("utf-8"))


def is_valid(schema: str, value: object) -> bool:
    """`schema`: the name of one of the document's."""
    return not errors(schema, value)


def errors(schema: str, value: object) -> list[str]:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]}
    return [f"{error.json_path}: {error.message}" for error in OAS31Validator(whole).iter_errors(value)]
