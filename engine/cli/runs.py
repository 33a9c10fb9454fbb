"""`interlock runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..lifecycle import RunStatus
from .opened import opened, operator
from .printing import as_json, print_block, print_fields, print_json, print_table
from .rollback import print_rollback, rollback

if TYPE_CHECKING:
    from uuid import UUID

    from ..queries import RunDetail, RunRow


@click.group()
def runs() -> None:
    """List, show, cancel and roll back runs."""


runs.add_command(rollback)


@runs.command("list")
@click.option("--status", type=click.Choice([str(status) for status in RunStatus]))
@click.option("--agent", help="Only runs of this agent.")
@click.option("--limit", default=50, show_default=True)
@click.option("--cursor", help="Where the page before ended.")
@as_json
def list_(
    status: str | None, agent: str | None, limit: int, cursor: str | None, *, json_: bool
) -> None:
    """List runs, newest first."""
    with opened() as at, at.database.begin() as conn:
        from ..queries import list_runs

        page = list_runs(
            conn, tenant=at.tenant, status=status, agent=agent, cursor=cursor, limit=limit
        )
    if json_:
        print_json(page.as_json())
        return
    rows = [(run.id, run.agent, state(run), run.created_at) for run in page.items]
    print_table(("run", "agent", "status", "created"), rows, empty="There are no runs.")
    if page.cursor:
        click.echo(f"There are more: --cursor {page.cursor}", err=True)


@runs.command()
@click.argument("run_id", type=click.UUID)
@as_json
def show(run_id: UUID, *, json_: bool) -> None:
    """Show a run, its calls and its approvals."""
    with opened() as at, at.database.begin() as conn:
        from ..queries import get_run

        detail = get_run(conn, tenant=at.tenant, run_id=run_id)
    if json_:
        print_json(detail.as_json())
    else:
        print_run(detail)


@runs.command()
@click.argument("run_id", type=click.UUID)
@as_json
def cancel(run_id: UUID, *, json_: bool) -> None:
    """End a run: at once if it waits, else before its next step."""
    with opened() as at:
        from ..runs import request_cancel

        status = request_cancel(at.database, tenant=at.tenant, run_id=run_id, by=operator())
    if json_:
        print_json({"run_id": str(run_id), "status": status})
    elif status == RunStatus.ENDED:
        click.echo(f"Run {run_id} is cancelled.")
    else:
        click.echo(f"Run {run_id} is {status} and will be cancelled before its next step.")


def state(run: RunRow) -> str:
    """A run's status, or how it ended."""
    if run.exit:
        return run.exit
    if run.wants_room:
        return "waiting for room in the queue"
    return f"waiting for a person ({run.pending})" if run.pending else run.status


def print_run(detail: RunDetail) -> None:
    """A run for a person to read."""
    run, used, limits = detail.run, detail.run.usage, detail.run.limits
    print_fields(
        [
            ("Run", run.id),
            ("Agent", run.agent),
            ("Status", state(run)),
            ("Reason", run.exit_reason or None),
            ("Created", run.created_at),
            ("By", run.requested_by),
            ("Ended", run.ended_at),
            ("Steps", f"{used.steps} of {limits.steps}"),
            ("Calls", f"{used.calls} of {limits.calls}"),
            ("Irreversible", f"{used.irreversible} of {limits.irreversible}"),
            ("Tokens in", f"{run.spent.tokens_in:,} of {limits.tokens_in:,}"),
            ("Tokens out", f"{run.spent.tokens_out:,} of {limits.tokens_out:,}"),
            ("USD", f"{run.spent.usd:.4f} of {limits.cost_usd:,}"),
            ("Active", f"{used.active_ms / 1000:.1f} s of {limits.seconds} s"),
        ]
    )
    print_block("Input", run.input)
    if run.exit:
        print_block("Output", detail.output)
    click.echo()
    calls = [(call.tool, call.effect, call.state, call.proposed_at) for call in detail.calls]
    print_table(("call", "effect", "state", "proposed"), calls, empty="It made no calls.")
    waiting = [(a.id, a.kind, a.headline) for a in detail.approvals if a.state == "pending"]
    if waiting:
        click.echo()
        print_table(("waits for", "kind", "headline"), waiting, empty="")
    for found in detail.rollbacks:
        click.echo()
        print_rollback(found)
