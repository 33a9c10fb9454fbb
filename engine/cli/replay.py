"""`interlock policy replay`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .exits import FAILED
from .opened import opened
from .printing import as_json, print_json, print_table, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..database import Database
    from ..past_calls import PastPolicies
    from ..replay import Found, Kind, Replay

_TIME = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SUFFIX = ".cedar"


@click.command()
@click.option(
    "--policies",
    metavar="FILE|FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="One text for every agent, or a folder with AGENT.cedar for each.",
)
@click.option("--shadow", is_flag=True, help="What policies in the shadow said at the time.")
@click.option("--since", default="30d", show_default=True, help="How far back, in s, m, h or d.")
@click.option("--agent", help="Only the calls of this agent.")
@as_json
@click.pass_context
def replay(
    context: click.Context,
    policies: Path | None,
    since: str,
    agent: str | None,
    *,
    shadow: bool,
    json_: bool,
) -> None:
    """Judge past calls by other policies, and say what would change.

    Irreversible calls that would lose a safeguard are named first, and the exit code is then 1.
    """
    if (policies is not None) is shadow:
        raise UsageError("Give the other policies with --policies, or say --shadow.")
    began = datetime.now(UTC) - _length(since)
    with opened() as at:
        from ..past_calls import PastPolicies
        from ..replay import Replay, judge_all

        loaded = PastPolicies(at.database, at.tenant)
        texts = _texts(policies, at.database, at.tenant, agent) if policies else {}
        _check(loaded, texts, at.database, at.tenant)
        judging = Replay(loaded, at.tenant, texts)
        look = judging.look_at_shadow if shadow else judging.look
        judge_all(look, at.database, at.tenant, began, agent, _telling())
    if json_:
        print_json({"since": began.isoformat(), **judging.as_json()})
    else:
        _print(judging)
    if judging.loses_a_safeguard:
        context.exit(FAILED)


def _length(text: str) -> timedelta:
    match = _TIME.fullmatch(text)
    if not match:
        raise UsageError(f"Say how far back as in 30d or 12h (s, m, h or d), not '{text}'.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _texts(policies: Path, database: Database, tenant: str, agent: str | None) -> dict[str, str]:
    """The new text of each agent."""
    from ..past_calls import registered

    with database.begin() as conn:
        known = registered(conn, tenant)
    if agent is not None and agent not in known:
        raise UsageError(f"There is no agent '{agent}': no worker has registered it.")
    wanted = [agent] if agent else list(known)
    if not policies.is_dir():
        text = _read(policies)
        return dict.fromkeys(wanted, text)
    files = {file.name.removesuffix(_SUFFIX): file for file in policies.glob(f"*{_SUFFIX}")}
    strangers = sorted(files.keys() - known.keys())
    if strangers:
        raise UsageError(f"{strangers[0]}{_SUFFIX} is for no agent that a worker has registered.")
    if not files.keys() & set(wanted):
        raise UsageError(f"{policies} holds no AGENT{_SUFFIX} for {', '.join(wanted) or 'anyone'}.")
    return {name: _read(file) for name, file in files.items() if name in wanted}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not a UTF-8 text.") from None


def _check(loaded: PastPolicies, texts: Mapping[str, str], database: Database, tenant: str) -> None:
    """Refuse a text that the agents of today could not be started with."""
    from ...policies.errors import PolicyError
    from ..past_calls import registered

    with database.begin() as conn:
        known = registered(conn, tenant)
    for agent, text in texts.items():
        try:
            loaded.candidate(text, agent, known[agent])
        except PolicyError as refused:
            raise PolicyError(f"agent {agent}: {each}" for each in refused.problems) from None


def _telling() -> Callable[[int, int], None]:
    """Say how far it is, a tenth at a time."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        tenths = done * 10 // max(total, 1)
        if tenths > told:
            told = tenths
            click.echo(f"{done:,} of {total:,} calls judged.", err=True)

    return tell


def _print(judging: Replay) -> None:
    for kind, found in judging.kinds:
        if kind.loses_a_safeguard:
            click.echo(_sentence(kind, found))
    others = [(kind, found) for kind, found in judging.kinds if not kind.loses_a_safeguard]
    rows = [
        (
            kind.change,
            found.count,
            kind.agent,
            kind.tool,
            kind.effect,
            _way(kind),
            found.examples[0],
        )
        for kind, found in others
    ]
    headings = ("change", "calls", "agent", "tool", "effect", "verdict", "for example")
    if rows or not judging.found:
        print_table(headings, rows, empty="Nothing would change.")
    click.echo(f"{judging.judged:,} calls judged.")
    for (reason, irreversible), count in sorted(judging.left_out.items()):
        what = "irreversible calls" if irreversible else "calls"
        click.echo(f"{count:,} {what} not compared. {shown(reason)}")


def _way(kind: Kind) -> str:
    before, after = (", ".join(each) for each in (kind.before_policies, kind.after_policies))
    return f"{kind.before} ({before or 'none'}) -> {kind.after} ({after or 'none'})"


def _sentence(kind: Kind, found: Found) -> str:
    from ...policies.comparison import SAID

    return (
        f"IRREVERSIBLE, LESS GUARDED: {found.count:,} calls of {shown(kind.tool)} "
        f"({kind.agent}) {SAID[kind.change]}. {_way(kind)}. For example {found.examples[0]}."
    )
