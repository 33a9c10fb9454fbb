"""What a tool's `verify` says of a call whose outcome nobody reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..tools.gated import CallContext, Happened
from ..tools.vault import open_vault
from .hooks import HookFailed, ask_hook
from .judgement import public
from .leaving import packed

if TYPE_CHECKING:
    from ..tools.gated import Ask
    from .call import Call


@dataclass(frozen=True, slots=True)
class DidNotHappen:
    """It looked, and found nothing."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It cannot tell, or gave no answer that could be taken for one; why, as a sentence."""

    why: str


Finding = Happened | DidNotHappen | Unknown


def verify(ask: Ask, call: Call) -> Finding | None:
    """Ask the tool; blocks. None where nobody can be asked: there is no `verify`, or the tool is
    another one than the one that was called.
    """
    hook = open_vault(ask.tool.vault_key).verify
    if hook is None or call.tool_version != ask.tool.spec.version:
        return None
    serves = CallContext(call.run_id, call.id, str(call.id))
    try:
        args = public(ask.tool, ask.tool.typed(call.args, ask.injected))
        answer = ask_hook(hook, args, call=serves)
    except (HookFailed, ValidationError) as error:
        return Unknown(f"Its verify function failed: {error}.")
    found = read_answer(answer)
    if isinstance(found, Happened) and found.result is not None:
        return Happened(packed(ask, found.result))
    return found


def read_answer(answer: Any) -> Finding:
    """An answer by its meaning. What is neither yes nor no is no answer, however true it looks."""
    match answer:
        case Happened():
            return answer
        case True:
            return Happened()
        case False:
            return DidNotHappen()
        case None:
            return Unknown("Its verify function could not tell.")
    kind = type(answer).__name__
    return Unknown(f"Its verify function answered a value of type {kind}: neither yes nor no.")
