"""`interlock policy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .exits import USAGE
from .explain import explain
from .export import export
from .printing import as_json, print_json
from .replay import replay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...policies.evaluator import ToolShape

NOBODY = "check"


@click.group()
def policy() -> None:
    """Check policies, explain verdicts, judge the past by others, export them."""


policy.add_command(explain)
policy.add_command(replay)
policy.add_command(export)


@policy.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--agent", metavar="MODULE:AGENT", help="Check against the tools of this agent.")
@as_json
@click.pass_context
def check(
    context: click.Context, files: tuple[Path, ...], agent: str | None, *, json_: bool
) -> None:
    """Say what is wrong with Cedar policies, line by line; exit code 2 if anything is.

    A policy that names a tool can only be checked with the --agent that has it.
    """
    name, tools = _agent_of(agent)
    problems = {str(file): _problems(file, name, tools) for file in files}
    if json_:
        print_json({"files": problems})
    else:
        for file, found in problems.items():
            for problem in found or ["fine."]:
                click.echo(f"{file}: {problem}", err=bool(found))
    if any(problems.values()):
        context.exit(USAGE)


def _agent_of(reference: str | None) -> tuple[str, list[ToolShape]]:
    if reference is None:
        return NOBODY, []
    from ...policies.evaluator import ToolShape
    from ..agent import load_agent

    agent = load_agent(reference)
    return agent.name, [ToolShape(spec.name, spec.schema) for spec in agent.specs]


def _problems(file: Path, agent: str, tools: Iterable[ToolShape]) -> list[str]:
    from ...policies.errors import PolicyError
    from ...policies.evaluator import Policy

    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not a UTF-8 text.") from None
    try:
        Policy.load(text, agent, tools)
    except PolicyError as refused:
        return list(refused.problems)
    return []
