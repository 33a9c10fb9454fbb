"""`interlock runs rollback`: the plan first, and with the plan's digest the rollback."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from ..errors import Conflict, UsageError
from ..lifecycle import RunStatus
from .exits import DONE, FAILED, WAITING
from .opened import opened, operator
from .printing import as_json, print_fields, print_json, print_table, shown

if TYPE_CHECKING:
    from uuid import UUID

    from ..queries import RollbackRow
    from ..rollback_plan import Plan, Scope
    from .opened import Opened

POLL_SECONDS = 0.2
_DIGEST = re.compile("[0-9a-f]{64}")


@click.command()
@click.argument("run_id", type=click.UUID)
@click.option("--to", metavar="CALL", type=click.UUID, help="The last call that stays.")
@click.option("--skip", metavar="CALL", type=click.UUID, multiple=True, help="Leave this call be.")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@click.option(
    "--wait", "patience", default=60.0, show_default=True, help="Seconds to wait for its end."
)
@as_json
@click.pass_context
def rollback(
    context: click.Context,
    run_id: UUID,
    to: UUID | None,
    skip: tuple[UUID, ...],
    confirm: str | None,
    patience: float,
    *,
    json_: bool,
) -> None:
    """Undo what a run has done, the last call first.

    Without --confirm it shows the plan and changes nothing. A worker of the run's agent carries the
    plan out; a run that is open is ended first.

    Exit code 0 if all that was planned is undone, 1 if not, 3 if a person has to confirm the plan,
    approve it, or say what became of an undo.
    """
    from ..rollback_plan import Scope

    scope = Scope(to, frozenset(skip))
    with opened() as at:
        if confirm is None:
            code = _show(at, run_id, scope, json_=json_)
        else:
            code = _carry_out(at, run_id, scope, _digest(confirm), patience, json_=json_)
    context.exit(code)


def _digest(text: str) -> str:
    """The digest as it is compared.

    Raises:
        UsageError: it is none.
    """
    if not _DIGEST.fullmatch(text):
        raise UsageError("--confirm takes the digest that the plan shows: 64 hex digits.")
    return text


def _show(at: Opened, run_id: UUID, scope: Scope, *, json_: bool) -> int:
    plan = _plan(at, run_id, scope)
    if json_:
        print_json({"plan": plan.as_json(), "digest": plan.digest.hex()})
    else:
        print_plan(plan)
    return WAITING if plan.undos else FAILED


def _plan(at: Opened, run_id: UUID, scope: Scope) -> Plan:
    from ..rollbacks import plan_rollback

    with at.database.begin() as conn:
        return plan_rollback(conn, tenant=at.tenant, run_id=run_id, scope=scope)


def print_plan(plan: Plan) -> None:
    """A plan for a person to read: what stays done comes first."""
    if plan.staying:
        rows = [(call.tool, call.call_id, call.why) for call in plan.staying]
        print_table(("stays done", "call", "why"), rows, empty="")
        click.echo()
    undone = [(u.tool, u.call_id, " ".join(u.notes)) for u in plan.undos]
    print_table(("is undone", "call", "note"), undone, empty="Nothing can be undone now.")
    click.echo()
    print_fields([("Reads", f"{plan.reads}, with nothing to undo"), ("Digest", plan.digest.hex())])
    if not plan.undos:
        return
    told = "It begins at once."
    if plan.needs_approval:
        who = "Somebody else" if plan.final else "A person"
        told = f"{who} has to approve it then."
    options = f" --to {plan.scope.to}" if plan.scope.to else ""
    options += "".join(f" --skip {call}" for call in sorted(plan.scope.skip))
    click.echo(f"\nNothing was changed. {told} To carry it out:")
    click.echo(f"  interlock runs rollback {plan.run_id}{options} --confirm {plan.digest.hex()}")


def _carry_out(
    at: Opened, run_id: UUID, scope: Scope, digest: str, patience: float, *, json_: bool
) -> int:
    from ..rollbacks import STOPPING, ask_rollback

    until = time.monotonic() + patience
    where: dict[str, Any] = {"tenant": at.tenant, "run_id": run_id}
    said: dict[str, Any] = {"digest": digest, "by": operator(), "scope": scope}
    asked = ask_rollback(at.database, **where, **said)
    while asked.state == STOPPING:
        if time.monotonic() > until:
            raise Conflict(f"Run {run_id} is still being stopped. Nothing was undone; try again.")
        time.sleep(POLL_SECONDS)
        asked = ask_rollback(at.database, **where, **said)
    found = _follow(at, run_id, asked.rollback_id, until)
    if json_:
        print_json(found.as_json())
    else:
        print_rollback(found)
    if found.outcome is not None:
        return DONE if found.outcome == "undone" else FAILED
    return WAITING if found.state == RunStatus.WAITING else FAILED


def _follow(at: Opened, run_id: UUID, rollback_id: UUID | None, until: float) -> RollbackRow:
    """The rollback once it has ended, waits for a person, or took too long."""
    from ..queries import rollbacks_of

    while True:
        with at.database.begin() as conn:
            rows = rollbacks_of(conn, tenant=at.tenant, run_id=run_id)
        found = next(row for row in rows if row.id == rollback_id)
        if found.state in (RunStatus.WAITING, RunStatus.ENDED) or time.monotonic() > until:
            return found
        time.sleep(POLL_SECONDS)


def print_rollback(found: RollbackRow) -> None:
    """How far a rollback is, call by call."""
    rows = [(u.tool, u.call_id, u.state, u.error) for u in found.undos]
    print_table(("undo of", "call", "state", "error"), rows, empty="")
    click.echo()
    if found.reason:
        click.echo(shown(found.reason))
    elif found.state == RunStatus.WAITING:
        click.echo("It waits for a person: interlock approvals list")
    else:
        click.echo(f"It is {found.state} and goes on: interlock runs show {found.run_id}")
