"""How a call finds its target: kept before a call that can be undone, compared after its undo."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import structlog

from ..tools.effect import Effect
from ..tools.vault import open_vault
from . import target
from .database import execute
from .errors import said
from .judgement import public

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..tools import GatedTool
    from .call import Call
    from .database import Database
    from .hold import Hold

log = structlog.get_logger()


def is_kept(tool: GatedTool, call: Call) -> bool:
    """Whether the state before this start is of use: the tool offers it and can undo the call."""
    body = open_vault(tool.vault_key)
    has_both = body.undo is not None and body.fingerprint is not None
    return has_both and call.effect != Effect.READ


def keep(
    db: Database, hold: Hold, tool: GatedTool, call: Call, arguments: Mapping[str, Any]
) -> None:
    """Measure the target and write down what was found, if it can be measured; blocks."""
    found = _measured(tool, arguments)
    if found is None:
        return
    where = {"tenant": hold.tenant, "run_id": hold.run_id, "call_id": call.id}
    db.retry(lambda conn: execute(conn, "keep_state", digest=found, **where))


def state_of(tool: GatedTool, args: bytes) -> bytes | None:
    """The digest of the target's state, for stored arguments; None if it cannot be measured."""
    try:
        arguments = tool.typed(args, {})
    except Exception as error:  # noqa: BLE001 - arguments that the framework fills in are gone
        log.warning("state.not_measured", tool=tool.name, error=said(error))
        return None
    return _measured(tool, arguments)


def _measured(tool: GatedTool, arguments: Mapping[str, Any]) -> bytes | None:
    state = target.measure(tool, public(tool, arguments))
    if state is None:
        return None
    if not target.is_known(state):
        log.warning("state.not_measured", tool=tool.name, error=target.in_words(state))
        return None
    return hashlib.sha256(state).digest()
