"""`interlock policy export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .exits import FAILED

if TYPE_CHECKING:
    from ...policies.export import ToolFacts
    from ...tools import ToolSpec


@click.command()
@click.argument("agent", metavar="MODULE:AGENT")
@click.option("--gateway", metavar="ARN", required=True, help="The gateway that is to hold it.")
@click.pass_context
def export(context: click.Context, agent: str, gateway: str) -> None:
    """Print what an agent may do by itself, as policies for a gateway of AWS AgentCore.

    What a gateway cannot tell is left out on the safe side and named on stderr; the exit code is 1
    if nothing is left.
    """
    from ...policies.export import export as exported
    from ..agent import load_agent

    loaded = load_agent(agent)
    found = exported(loaded.policy, map(_facts, loaded.specs), gateway)
    if found.text:
        click.echo(found.text)
    for said in found.left_out:
        click.echo(said, err=True)
    if not found.text:
        context.exit(FAILED)


def _facts(spec: ToolSpec) -> ToolFacts:
    from ...policies.export import ToolFacts
    from ...tools import Effect, Source

    is_constant = isinstance(spec.effect, Effect)
    return ToolFacts(
        name=spec.name,
        effect=spec.effect if isinstance(spec.effect, Effect) else None,
        source=Source.DECLARED if is_constant else Source.DEFAULT,
        rule="declared",
        sends=spec.egress is not None,
    )
