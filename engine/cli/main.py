"""The command `interlock`: its table of commands, and how each of them ends.

A command's module is imported when it is asked for, and imports what is heavy when it runs.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

import click

from ..errors import InterlockError, UsageError
from .exits import DONE, FAILED, USAGE

# Name: where it is, and what `interlock --help` says of it without importing it.
COMMANDS = {
    "demo": ("demo:command", "See the gate hold an agent that means well."),
    "dev": ("dev:dev", "Serve the pages and run agents, in one process tree."),
    "run": ("run:run", "Run an agent once, up to its end or to a person."),
    "serve": ("serve:serve", "Serve the pages and the JSON API."),
    "worker": ("worker:worker", "Run the runs of some agents."),
    "runs": ("runs:runs", "List, show, cancel and roll back runs."),
    "approvals": ("approvals:approvals", "List, show and decide what waits for a person."),
    "tools": ("tools:tools", "List agents' tools, and say what calls do."),
    "policy": ("policy:policy", "Check policies, explain verdicts, replay the past."),
    "usage": ("usage:usage", "Say what models cost."),
    "limits": ("limits:limits", "Show and set what a tenant may use in a day."),
    "breakers": ("breakers:breakers", "List and reset circuit breakers."),
    "users": ("users:users", "Add, list and disable reviewers."),
    "tokens": ("tokens:tokens", "Add, list and revoke API tokens."),
    "db": ("db:db", "Bring the database's schema up."),
    "bench": ("bench:bench", "Measure this version beside what else there is."),
}


class Commands(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, _: click.Context) -> list[str]:
        """In the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), attribute)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands for `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (__, about) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="interlock", prog_name="interlock")
def interlock() -> None:
    """Agents run at full speed, and nothing irreversible runs without a person.

    Settings are read from INTERLOCK_DATABASE_URL (without it, an embedded PostgreSQL lives under
    INTERLOCK_HOME), INTERLOCK_HOST, INTERLOCK_PORT and INTERLOCK_TENANT.

    Exit codes: 0 done, 1 failed, 2 usage, 3 waiting for a person.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # As an exception, so that an embedded PostgreSQL is left in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))
    try:
        code = interlock.main(prog_name="interlock", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        code = FAILED
    except BrokenPipeError:
        # Whoever read the output has enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except InterlockError as error:
        click.echo(error, err=True)
        code = USAGE if isinstance(error, UsageError) else FAILED
    except Exception as error:  # noqa: BLE001 - the process's edge
        code = report(error)
    sys.exit(code if isinstance(code, int) else DONE)


def report(error: Exception) -> int:
    """Say what went wrong in a sentence where there is one, else log the traceback."""
    from sqlalchemy.exc import DBAPIError

    from ...policies.errors import PolicyError
    from ...tools.spec import ToolDeclarationError
    from ..database import first_line, lost

    if isinstance(error, PolicyError | ToolDeclarationError):
        click.echo(error, err=True)
        return USAGE
    if isinstance(error, DBAPIError) and lost(error):
        click.echo(f"The database was lost: {first_line(error)}. Try again.", err=True)
        return FAILED

    import structlog

    if not structlog.is_configured():
        from ..logs import configure

        configure()
    structlog.get_logger().error("cli.failed", exc_info=error)
    return FAILED


if __name__ == "__main__":
    main()
