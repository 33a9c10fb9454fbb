"""Whether arguments that a person wrote fit a tool's JSON schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from .errors import InvalidDecision

if TYPE_CHECKING:
    from collections.abc import Mapping


def fit_schema(args: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse arguments that the tool would refuse, or does not know.

    Raises:
        InvalidDecision: naming the argument and what is wrong with it.
    """
    unknown = sorted(set(args) - set(schema.get("properties", {})))
    if unknown:
        raise InvalidDecision(f"The tool has no argument '{unknown[0]}'. Nothing was recorded.")
    try:
        errors = sorted(Draft202012Validator(dict(schema)).iter_errors(dict(args)), key=str)
    except SchemaError:
        raise InvalidDecision(
            "The tool's own schema cannot be read. Nothing was recorded."
        ) from None
    if errors:
        place = "/".join(str(part) for part in errors[0].absolute_path) or "arguments"
        raise InvalidDecision(f"{place}: {errors[0].message}. Nothing was recorded.")
