"""Who decides on the command line: a reviewer with a token or a password, never just a name."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from ..errors import InterlockError, UsageError

if TYPE_CHECKING:
    from .opened import Opened


class NotSignedIn(InterlockError):
    """The token or the password is not the reviewer's."""


def decider(at: Opened, name: str | None) -> str:
    """The reviewer's name, once INTERLOCK_TOKEN, INTERLOCK_PASSWORD or the prompt proved it.

    Raises:
        UsageError: there is nothing to prove it by, or it is another reviewer's token.
        NotSignedIn: it is the wrong one.
        SignInRefused: there were too many wrong ones.
    """
    if token := os.environ.get("INTERLOCK_TOKEN"):
        return _by_token(at, token, name)
    if name is None:
        raise UsageError("Say who decides with --as NAME, or set INTERLOCK_TOKEN.")

    from ..accounts import check_password

    password = ask_password(f"Password of {name}")
    if not check_password(at.database, tenant=at.tenant, name=name, password=password):
        raise NotSignedIn(f"This is not the password of an active reviewer '{name}'.")
    return name


def ask_password(prompt: str, *, twice: bool = False) -> str:
    """INTERLOCK_PASSWORD, or what the person types.

    Raises:
        UsageError: the variable is not set and there is no terminal to ask at.
    """
    if password := os.environ.get("INTERLOCK_PASSWORD"):
        return password
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for a password: set INTERLOCK_PASSWORD.")
    typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True)
    return typed


def _by_token(at: Opened, token: str, name: str | None) -> str:
    from ..accounts import token_reviewer

    with at.database.begin() as conn:
        reviewer = token_reviewer(conn, token, tenant=at.tenant)
    if reviewer is None:
        raise NotSignedIn("INTERLOCK_TOKEN is not a token that still works.")
    if name not in (None, reviewer.name):
        raise UsageError(f"INTERLOCK_TOKEN is {reviewer.name}'s, not {name}'s.")
    return reviewer.name
