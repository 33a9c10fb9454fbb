"""`interlock approvals`: what waits for a person, and that person's answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from ..errors import UsageError
from ..lifecycle import ApprovalKind, ApprovalState, DecisionKind
from .identity import decider
from .opened import opened
from .printing import as_json, print_block, print_fields, print_json, print_table, shown, when

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..answer import Seen
    from ..decisions import Decided
    from ..queries import ApprovalDetail, ApprovalRow
    from .opened import Opened

STATUSES = [*(str(state) for state in ApprovalState), "closed", "all"]


@click.group()
def approvals() -> None:
    """List, show and decide what waits for a person."""


@approvals.command("list")
@click.option("--status", type=click.Choice(STATUSES), default="pending", show_default=True)
@click.option("--kind", type=click.Choice([str(kind) for kind in ApprovalKind]))
@click.option("--agent", help="Only approvals for this agent.")
@click.option("--tool", help="Only approvals of this tool's calls.")
@click.option("--limit", default=50, show_default=True)
@click.option("--cursor", help="Where the page before ended.")
@as_json
def list_(*, status: str, json_: bool, **filters: Any) -> None:
    """List approvals; the pending ones most urgent first."""
    wanted = None if status == "all" else status
    with opened() as at, at.database.begin() as conn:
        from ..queries import list_approvals

        page = list_approvals(conn, tenant=at.tenant, status=wanted, **filters)
    if json_:
        print_json(page.as_json())
        return
    print_approvals(page.items, empty="Nothing waits for a person.")
    if page.cursor:
        click.echo(f"There are more: --cursor {page.cursor}", err=True)


@approvals.command()
@click.argument("approval_id", type=click.UUID)
@as_json
def show(approval_id: UUID, *, json_: bool) -> None:
    """Show the stored call, why it was held, and the digest that a decision names."""
    with opened() as at:
        detail = _detail(at, approval_id)
    if json_:
        print_json(detail.as_json())
    else:
        print_approval(detail)


def decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every decision is given."""
    for option in (
        as_json,
        click.option("--as", "name", metavar="NAME", help="The reviewer who decides."),
        click.option("--digest", required=True, help="The digest that `show` printed."),
        click.argument("approval_id", type=click.UUID),
    ):
        command = option(command)
    return command


def _seen(
    _context: click.Context, _option: click.Parameter, given: Sequence[str]
) -> tuple[Seen, ...]:
    """`ID:DIGEST` as `show` prints it."""
    from ..answer import Seen

    found = []
    for text in given:
        approval_id, _, digest = text.partition(":")
        try:
            found.append(Seen(UUID(approval_id), digest))
        except ValueError:
            raise click.BadParameter(f"'{text}' is not ID:DIGEST as `show` prints it.") from None
    return tuple(found)


also_option = click.option(
    "--also",
    metavar="ID:DIGEST",
    multiple=True,
    callback=_seen,
    help="An identical call that `show` named, for the same answer. May be given again.",
)


@approvals.command()
@decision_options
@also_option
@click.option("--reason", help="Why, for the record.")
@click.option("--confirm", metavar="WORD", help="The word that approving it would ask to type.")
def approve(
    approval_id: UUID,
    digest: str,
    name: str | None,
    reason: str | None,
    confirm: str | None,
    also: tuple[Seen, ...],
    *,
    json_: bool,
) -> None:
    """Let exactly the call with this digest run.

    The reviewer proves who they are by INTERLOCK_TOKEN, INTERLOCK_PASSWORD or at the prompt. What
    cannot be undone is confirmed by typing a word.
    """
    with opened() as at:
        detail = _detail(at, approval_id)
        reviewer = decider(at, name)
        said = {"reviewer": reviewer, "digest": digest, "reason": reason, "also": also}
        word = _confirm(detail, confirm)
        decided = _decide(at, approval_id, kind=DecisionKind.APPROVE, confirm=word, **said)
    _print_decided(decided, reviewer, json_=json_)


@approvals.command()
@decision_options
@also_option
@click.option("--reason", required=True, help="Why; the agent is told.")
def reject(
    approval_id: UUID,
    digest: str,
    name: str | None,
    reason: str,
    also: tuple[Seen, ...],
    *,
    json_: bool,
) -> None:
    """Keep the call from running, and tell the agent why."""
    with opened() as at:
        reviewer = decider(at, name)
        said = {"reviewer": reviewer, "digest": digest, "reason": reason, "also": also}
        decided = _decide(at, approval_id, kind=DecisionKind.REJECT, **said)
    _print_decided(decided, reviewer, json_=json_)


@approvals.command()
@decision_options
@click.option("--option", help="One of the answers that the question offers.")
@click.option("--opinion", metavar="NAME", help="Whose opinion holds, in a conflict.")
@click.option("--text", help="The answer in your own words.")
def answer(
    approval_id: UUID, digest: str, name: str | None, *, json_: bool, **forms: str | None
) -> None:
    """Answer a question; the run goes on with what you say."""
    said = {form: value for form, value in forms.items() if value is not None}
    if len(said) != 1:
        raise UsageError("Give one of --option, --opinion and --text.")
    with opened() as at:
        reviewer = decider(at, name)
        given = {"reviewer": reviewer, "digest": digest, "answer": said}
        decided = _decide(at, approval_id, kind=DecisionKind.ANSWER, **given)
    _print_decided(decided, reviewer, json_=json_)


def print_approvals(found: tuple[ApprovalRow, ...], *, empty: str) -> None:
    """A table of approvals."""
    rows = [(a.id, a.kind, a.state, a.agent, a.expires_at, a.headline) for a in found]
    headings = ("approval", "kind", "state", "agent", "until", "headline")
    print_table(headings, rows, empty=empty)


def print_approval(detail: ApprovalDetail) -> None:
    """An approval for a person to read."""
    asked = detail.approval
    by = ", ".join(asked.approved_by) or "nobody yet"
    click.echo(f"{shown(asked.headline)}\n")
    print_fields(
        [
            ("Approval", asked.id),
            ("Kind", asked.kind),
            ("State", asked.state),
            ("Closed", asked.closed_at),
            ("Closed by", asked.closed_by),
            ("Because", asked.close_reason),
            ("Run", f"{asked.run_id} of {asked.agent}"),
            ("Held", asked.reason),
            ("Policies", ", ".join(asked.policies) or None),
            ("For", " or ".join(asked.terms.groups)),
            ("Approved by", f"{by} ({_given(asked)} of {asked.quorum})"),
            *_terms(detail),
            ("Until", asked.expires_at),
            ("Succeeded by", detail.successor),
        ]
    )
    if detail.call is not None:
        call = detail.call
        evidence = "; ".join(call.evidence) or "no evidence"
        print_fields(
            [
                ("Tool", f"{call.tool} (version {call.tool_version})"),
                ("Effect", f"{call.effect}: {call.source}, {call.rule} ({evidence})"),
            ]
        )
        print_block("Arguments", dict(call.args))
    for change in asked.changes:
        print_fields([("Changed", change["says"])])
        print_block("Before", change["before"])
        print_block("Now", change["now"])
    if asked.preview is not None:
        print_block("Preview", asked.preview)
    for decision in detail.decisions:
        said = f"{decision.reviewer}: {decision.kind} {decision.reason or ''}"
        print_fields([("Decision", said.rstrip()), ("At", decision.decided_at)])
    print_fields(
        [
            ("Digest", asked.digest.hex()),
            *(("Identical", f"{seen.approval_id}:{seen.digest}") for seen in asked.alike),
        ]
    )


def _given(asked: ApprovalRow) -> int:
    return min(len(asked.approved_by), asked.quorum - asked.terms.missing)


def _terms(detail: ApprovalDetail) -> list[tuple[str, Any]]:
    """Who else, who not, and what with, where the terms say so."""
    terms = detail.approval.terms
    later = [(group, at) for group, at in terms.escalation.items() if group not in terms.groups]
    apart = [f"{person} ({duty})" for person, duty in detail.set_apart.items()]
    uncounted = [f"{v.reviewer} ({v.why_not})" for v in detail.voices if v.why_not]
    needs = (["a reason"] if terms.needs_reason else []) + (
        [f"--confirm {terms.confirm}"] if terms.confirm else []
    )
    return [
        ("Of these", ", ".join(f"{n} of {group}" for group, n in terms.each.items()) or None),
        *(("Asked later", f"{group}, from {when(at)} on") for group, at in later),
        ("Does not count", ", ".join(apart + uncounted) or None),
        ("Approve with", " and ".join(needs) or None),
    ]


def _confirm(detail: ApprovalDetail, given: str | None) -> str | None:
    """What was typed, once it is what is wanted."""
    from ..confirmation import wanted

    word = wanted(detail)
    if word is None:
        return given
    if given is None:
        if not sys.stdin.isatty():
            raise UsageError("There is no terminal to confirm at: give the word with --confirm.")
        click.echo(f"{shown(detail.approval.headline)}. This cannot be undone.", err=True)
        given = click.prompt(f"To approve, type {word}", err=True)
    if given != word:
        raise UsageError(f"'{given}' is not what confirms this. Nothing was decided.")
    return given


def _detail(at: Opened, approval_id: UUID) -> ApprovalDetail:
    from ..queries import get_approval

    with at.database.begin() as conn:
        return get_approval(conn, tenant=at.tenant, approval_id=approval_id)


def _decide(at: Opened, approval_id: UUID, **said: Any) -> Decided:
    from ..decisions import Answer, decide

    answer = Answer(tenant=at.tenant, approval_id=approval_id, via="cli", **said)
    return decide(at.database, answer)


def _print_decided(decided: Decided, reviewer: str, *, json_: bool) -> None:
    if json_:
        print_json({**decided.as_json(), "reviewer": reviewer})
        return
    if decided.state == ApprovalState.PENDING:
        click.echo(f"Recorded as {reviewer}; more reviewers must approve.")
    else:
        click.echo(f"{decided.state.capitalize()} by {reviewer}.")
    if decided.also:
        number = len(decided.also)
        were = f"were {number} identical calls" if number > 1 else "was 1 identical call"
        click.echo(f"So {were}.")
    for left in decided.left:
        click.echo(f"{left.approval_id} was left as it is. {left.why}")
