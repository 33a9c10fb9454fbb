"""Why a policy text decided as it did over one call, and what would have changed that.

Nothing is worked out beside Cedar: each policy, and each of its conditions, is put to Cedar by
itself with the call's own request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import cedarpy

from ..tools.effect import Effect, Source
from .arguments import ArgumentRefusedError
from .expressions import Expression, references, split
from .request import RequestRefusedError
from .verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .evaluator import Policy, Request
    from .statements import Statement
    from .verdict import Verdict

_EVERYTHING: Final = {"op": "All"}
_ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a policy, whether it held, and what it looks at.

    Attributes:
        text: as Cedar writes it.
        holds: None where it cannot be evaluated without the conditions before it.
        looks_at: the values of the call that it reads, by path.
    """

    text: str
    holds: bool | None
    looks_at: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As it is printed for programs."""
        return {"text": self.text, "holds": self.holds, "looks_at": dict(self.looks_at)}


@dataclass(frozen=True, slots=True)
class Considered:
    """One policy beside one call.

    Attributes:
        in_scope: whether it is about this principal and action at all.
        matched: whether it is in scope and all its conditions held.
        otherwise: the outcome had it not matched, or had it matched; None if the same.
    """

    id: str
    line: int
    effect: str
    reviews: bool
    reason: str
    in_scope: bool
    matched: bool
    conditions: tuple[Condition, ...]
    otherwise: Outcome | None

    @property
    def failed(self) -> tuple[Condition, ...]:
        """The conditions that did not hold."""
        return tuple(condition for condition in self.conditions if condition.holds is not True)

    def as_json(self) -> dict[str, Any]:
        """As it is printed for programs."""
        return {
            "policy": self.id,
            "line": self.line,
            "effect": self.effect,
            "asks_for_review": self.reviews,
            "reason": self.reason,
            "in_scope": self.in_scope,
            "matched": self.matched,
            "otherwise": self.otherwise,
            "conditions": [condition.as_json() for condition in self.conditions],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, each policy's part in it, and the verdicts were the call's effect another."""

    verdict: Verdict
    policies: tuple[Considered, ...]
    by_effect: Mapping[str, Verdict]

    @property
    def decided(self) -> tuple[Considered, ...]:
        """The policies that matched and decided."""
        return tuple(each for each in self.policies if each.id in self.verdict.policies)

    @property
    def nearest(self) -> tuple[Considered, ...]:
        """The policies in scope that, had they matched, would have changed the outcome."""
        could = (p for p in self.policies if p.in_scope and not p.matched and p.otherwise)
        return tuple(sorted(could, key=lambda policy: (len(policy.failed), policy.line)))


def explain(policy: Policy, request: Request) -> Explanation:
    """Why `policy` decides as it does over the call."""
    verdict = policy.decide(request)
    try:
        asked, entities = policy.question(request)
    except (RequestRefusedError, ArgumentRefusedError):
        return Explanation(verdict, (), {})
    trial = _Trial(asked, entities, policy.schema.handle)
    matched = {part.id for part in policy.statements if trial.holds(part.body) is True}
    considered = tuple(
        _considered(part, trial, policy.statements, matched, request.classification.effect)
        for part in policy.statements
    )
    return Explanation(verdict, considered, dict(_by_effect(policy, request)))


@dataclass(frozen=True, slots=True)
class _Trial:
    """One request, which parts of policies are put to by themselves."""

    asked: dict[str, Any]
    entities: cedarpy.Entities
    schema: cedarpy.Schema

    def holds(self, body: Mapping[str, Any]) -> bool | None:
        """Whether a policy with this scope and these conditions matches; None if Cedar errs."""
        result = cedarpy.is_authorized(
            self.asked, _text({**body, "effect": "permit"}), self.entities, self.schema
        )
        if result.diagnostics.errors or result.decision is cedarpy.Decision.NoDecision:
            return None
        return result.decision is cedarpy.Decision.Allow

    def look(self, path: tuple[str, ...]) -> Any:
        """What the call has at a path of its context."""
        value: Any = self.asked["context"]
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return _ABSENT
            value = value[name]
        if isinstance(value, dict) and "__extn" in value:
            return value["__extn"]["arg"]
        return value


def _considered(
    part: Statement,
    trial: _Trial,
    all_parts: tuple[Statement, ...],
    matched: set[str],
    effect: Effect,
) -> Considered:
    now = _outcome(all_parts, matched, effect)
    other = _outcome(all_parts, matched ^ {part.id}, effect)
    return Considered(
        id=part.id,
        line=part.line,
        effect=part.effect,
        reviews=part.reviews,
        reason=part.annotations.get("reason") or "",
        in_scope=trial.holds({**part.body, "conditions": []}) is True,
        matched=part.id in matched,
        conditions=tuple(_condition(each, trial) for each in _parts(part.body)),
        otherwise=other if other is not now else None,
    )


def _outcome(parts: Iterable[Statement], matched: set[str], effect: Effect) -> Outcome:
    """What the matching policies come to, were nothing else against it."""
    holding = [part for part in parts if part.id in matched]
    permits = [part for part in holding if part.effect == "permit"]
    forbids = [part for part in holding if part.effect == "forbid"]
    if not permits or any(not part.reviews for part in forbids):
        return Outcome.FORBID
    is_free = any(not part.reviews for part in permits) and not forbids
    return Outcome.ALLOW if is_free and effect is not Effect.IRREVERSIBLE else Outcome.REVIEW


def _parts(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions of a policy, one for each side of an `&&` at their top."""
    for condition in body["conditions"]:
        if condition["kind"] == "unless":
            yield condition
        else:
            yield from ({"kind": "when", "body": each} for each in _conjuncts(condition["body"]))


def _conjuncts(expression: Expression) -> Iterator[Expression]:
    operator, operand = split(expression)
    if operator != "&&":
        yield expression
        return
    yield from _conjuncts(operand["left"])
    yield from _conjuncts(operand["right"])


def _condition(condition: dict[str, Any], trial: _Trial) -> Condition:
    body = {
        "principal": _EVERYTHING,
        "action": _EVERYTHING,
        "resource": _EVERYTHING,
        "conditions": [condition],
    }
    text = _text({**body, "effect": "permit"}).partition("resource)")[2].strip().rstrip(";")
    read = {
        str(found): trial.look(found.path)
        for found in references(condition["body"])
        if found and found.variable == "context"
    }
    return Condition(text.strip(), trial.holds(body), read)


def _text(body: Mapping[str, Any]) -> str:
    plain = {**body, "annotations": {}}
    document = {"templates": {}, "staticPolicies": {"policy0": plain}, "templateLinks": []}
    return str(cedarpy.policies_from_json_str(json.dumps(document)))


def _by_effect(policy: Policy, request: Request) -> Iterator[tuple[str, Verdict]]:
    """The verdicts were the same call declared otherwise."""
    for effect in Effect:
        if effect is not request.classification.effect:
            declared = replace(request.classification, effect=effect, source=Source.DECLARED)
            yield effect, policy.decide(replace(request, classification=declared))
