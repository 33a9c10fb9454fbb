"""`interlock policy explain`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .opened import opened
from .printing import as_json, print_block, print_fields, print_json, shown

if TYPE_CHECKING:
    from uuid import UUID

    from ...policies.explanation import Condition, Considered, Explanation
    from ..past_calls import PastCall

_MARKS = {True: "yes", False: "no", None: "not by itself"}


@click.command()
@click.argument("call_id", type=click.UUID)
@as_json
def explain(call_id: UUID, *, json_: bool) -> None:
    """Say why a call got its verdict, and what would change that.

    The call is judged once more as it was then, by the policy text that judged it.
    """
    with opened() as at:
        from ...policies.explanation import explain as explained
        from ..past_calls import PastPolicies, past_call

        with at.database.begin() as conn:
            call = past_call(conn, at.tenant, call_id)
        found = None
        if call.context is not None:
            policy = PastPolicies(at.database, at.tenant).recorded(call)
            found = explained(policy, call.request(at.tenant))
    if json_:
        print_json(_as_json(call, found))
    else:
        _print(call, found)


def _as_json(call: PastCall, found: Explanation | None) -> dict[str, Any]:
    return {
        "call_id": str(call.id),
        "agent": call.agent,
        "tool": call.tool,
        "state": call.state,
        "args": json.loads(call.args),
        "effect": call.effect,
        "source": call.source,
        "rule": call.rule,
        "evidence": list(call.evidence),
        "context": call.context,
        "verdict": call.verdict,
        "policies": list(call.policies),
        "policy_digest": call.policy_digest,
        "reason": call.reason,
        "reproduced": _is_reproduced(call, found) if found else None,
        "decided": [each.as_json() for each in found.decided] if found else [],
        "would_change_it": [each.as_json() for each in found.nearest] if found else [],
        "with_another_effect": {
            effect: {"verdict": verdict.outcome, "policies": list(verdict.policies)}
            for effect, verdict in (found.by_effect.items() if found else ())
        },
    }


def _is_reproduced(call: PastCall, found: Explanation) -> bool:
    return (found.verdict.outcome, found.verdict.policies) == (call.verdict, call.policies)


def _print(call: PastCall, found: Explanation | None) -> None:
    print_fields(
        [
            ("Call", f"{call.tool} of {call.agent}, {call.state}"),
            ("Verdict", f"{call.verdict}: {call.reason}"),
            ("Effect", f"{call.effect}, {call.source} by {call.rule}"),
            ("Policy", f"version {call.policy_digest[:12]}"),
        ]
    )
    for said in call.evidence:
        click.echo(f"  {shown(said)}")
    print_block("Arguments", json.loads(call.args))
    if found is None:
        click.echo("\nNo policy was asked about it, or what it was shown was not kept yet.")
        return
    if not _is_reproduced(call, found):
        click.echo(f"\nJudged now, the same text says {found.verdict.outcome}.")
    _print_policies("Decided by", found.decided)
    _print_nearest(found.nearest)
    for effect, verdict in found.by_effect.items():
        named = ", ".join(verdict.policies) or "no policy"
        click.echo(f"\nWere its effect declared {effect}: {verdict.outcome}, by {named}.")


def _print_policies(title: str, policies: tuple[Considered, ...]) -> None:
    click.echo(f"\n{title}:" if policies else "\nNo policy decided: none permits it.")
    for policy in policies:
        click.echo(f"  {_named(policy)}. {shown(policy.reason)}".rstrip())
        _print_conditions(policy.conditions)
        if policy.otherwise:
            click.echo(f"    Without it: {policy.otherwise}.")


def _print_nearest(policies: tuple[Considered, ...]) -> None:
    if policies:
        click.echo("\nWhat would change it:")
    for policy in policies:
        click.echo(f"  {_named(policy)} would make it {policy.otherwise}. It did not match:")
        _print_conditions(policy.failed)


def _named(policy: Considered) -> str:
    review = " for review" if policy.reviews else ""
    return f"{policy.id} (line {policy.line}, {policy.effect}{review})"


def _print_conditions(conditions: tuple[Condition, ...]) -> None:
    for condition in conditions:
        click.echo(f"    {_MARKS[condition.holds]}: {shown(condition.text)}")
        for path, value in condition.looks_at.items():
            click.echo(f"      {path} is {shown(json.dumps(value, ensure_ascii=False))}")
