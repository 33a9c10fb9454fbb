"""Asking a tool's own functions about the world: in a thread of their own, and bounded in time."""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..tools.gated import serving
from .errors import InterlockError, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..tools.gated import CallContext

PATIENCE = 10.0
"""Seconds that a function gets to answer. It cannot be stopped; what it says later is not heard."""


class HookFailed(InterlockError):
    """A tool's function raised, or did not answer in time; the text says which."""


def ask_hook(
    hook: Callable[..., Any], args: Mapping[str, Any], *, call: CallContext | None = None
) -> Any:
    """What the function, sync or async, answers to these arguments; blocks.

    It runs outside the run, so that no gated tool can be called from it. With `call`, it may ask
    `current_call()`.

    Raises:
        HookFailed: it gave no answer.
    """
    answers: list[Any] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            with ExitStack() as stack:
                if call is not None:
                    stack.enter_context(serving(call))
                answer = hook(**args)
                answers.append(
                    asyncio.run(_awaited(answer)) if inspect.isawaitable(answer) else answer
                )
        except BaseException as error:  # noqa: BLE001 - the tool author's code, whatever it raises
            errors.append(error)

    asked = threading.Thread(target=ask, name="interlock-hook", daemon=True)
    asked.start()
    asked.join(PATIENCE)
    if answers:
        return answers[0]
    if errors:
        raise HookFailed(said(errors[0]))
    raise HookFailed(f"no answer within {PATIENCE:g} s")


async def _awaited(answer: Any) -> Any:
    return await answer
