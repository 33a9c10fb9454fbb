"""One row in, one answer out: what `interlock tools classify --jsonl` says of calls and tools.

A row that cannot be read is answered, too: as irreversible, with the reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...policies.evaluator import Policy, Principal, Request, ToolShape, default_policy_text
from ...policies.verdict import Outcome
from ...tools.classify.addresses import addresses_among, by_addresses
from ...tools.classify.evidence import Evidence, by_evidence, classify_tool
from ...tools.classify.http import classify_http
from ...tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ANY = "any"
_UNKNOWN_ADDRESS = ("unknown",)


class BadRow(ValueError):
    """A row that cannot be read; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call or a tool does, and whether it would run without a person."""

    classification: Classification
    unattended: bool
    is_readable: bool = True

    def as_json(self) -> dict[str, Any]:
        """As it is printed for programs."""
        found = self.classification
        return {
            "effect": found.effect,
            "unattended": self.unattended,
            "source": found.source,
            "rule": found.rule,
            "evidence": list(found.evidence),
            "egress": list(found.egress),
        }


class Classifier:
    """Answers rows under the default policy, which is asked about each."""

    def __init__(self) -> None:
        shape = ToolShape(_ANY, {"type": "object", "properties": {}})
        self._policy = Policy.load(default_policy_text(), _ANY, [shape])
        self._principal = Principal(_ANY, "default")

    def answer(self, line: bytes) -> Answer:
        """What a line says of a call or a tool."""
        try:
            return self.judged(_classify(_row(line)))
        except BadRow as problem:
            return Answer(_unknown("bad-row", str(problem)), unattended=False, is_readable=False)
        except Exception as error:  # noqa: BLE001 - a classifier's defect fails closed, and says so
            reason = f"The classifier failed: {type(error).__name__}."
            return Answer(_unknown("classifier-failed", reason), unattended=False)

    def judged(self, found: Classification) -> Answer:
        """A classification with the default policy's answer to it; nothing is undone in a row."""
        if found.effect is Effect.REVERSIBLE:
            said = "It can be undone only by a tool that registers an undo, and a row has none."
            found = replace(
                found,
                effect=Effect.IRREVERSIBLE,
                source=Source.DEFAULT,
                rule="no-undo",
                evidence=(*found.evidence, said),
            )
        request = Request(_ANY, {}, found, datetime.now(UTC), self._principal)
        return Answer(found, self._policy.decide(request).outcome is Outcome.ALLOW)


def _unknown(rule: str, reason: str) -> Classification:
    return Classification(Effect.IRREVERSIBLE, Source.DEFAULT, rule, (reason,))


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise BadRow("The row is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, BadRow) else "The row is not one JSON value."
        raise BadRow(str(reason)) from None
    if not isinstance(row, dict):
        raise BadRow("The row is not a JSON object.")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRow("The row names a key twice.")
    return found


def _classify(row: Mapping[str, Any]) -> Classification:
    kind = row.get("kind")
    if kind == "tool":
        return _tool(row)
    if not isinstance(kind, str) or kind not in {"sql", *_CALLS}:
        raise BadRow("The row's kind is none of sql, shell, http and tool.")
    call = row.get("call")
    if not isinstance(call, str):
        raise BadRow("The row has no call that is a text.")
    found = _sql(call, row) if kind == "sql" else _CALLS[kind](call)
    return found.sending_to(())


def _http(call: str) -> Classification:
    method, _, target = call.strip().partition(" ")
    if not target.strip():
        raise BadRow("An HTTP call is written as METHOD /path.")
    return classify_http(method, target.strip())


def _sql(call: str, row: Mapping[str, Any]) -> Classification:
    from ...tools.classify.sql import ANYWHERE, classify_sql

    dialect = row.get("dialect", ANYWHERE)
    if not isinstance(dialect, str):
        raise BadRow("The row's dialect is no text.")
    return classify_sql(call, dialect=dialect)


def _shell(call: str) -> Classification:
    from ...tools.classify.shell import classify_shell

    return classify_shell(call)


_CALLS: Mapping[str, Callable[[str], Classification]] = {
    "http": _http,
    "shell": _shell,
}


def _tool(row: Mapping[str, Any]) -> Classification:
    name, description = row.get("name"), row.get("description")
    parameters, hints = row.get("params"), row.get("annotations")
    args = row.get("args")
    if not isinstance(name, str) or not isinstance(description or "", str):
        raise BadRow("A tool's row has a name and a description.")
    if isinstance(parameters, dict):
        parameters = list(parameters)
    if not all(isinstance(parameter, str) for parameter in _list(parameters)):
        raise BadRow("A tool's params are a list of names.")
    if not isinstance(hints or {}, dict) or not isinstance(args or {}, dict):
        raise BadRow("A tool's annotations and args are objects.")
    names = tuple(_list(parameters))
    trusted = row.get("trusted") is True
    tool = Evidence(name, description or "", names, hints or {}, trusted=trusted)
    found = classify_tool(tool) if args is None else by_evidence(tool)(args)
    addresses = addresses_among(names)
    if args is None:
        return found.sending_to(_UNKNOWN_ADDRESS if addresses else ())
    return found.sending_to(by_addresses(addresses, by_value=True)(args))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRow("A tool's params are a list of names.")
    return value
