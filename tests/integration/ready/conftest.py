"""Calls the functions behind a tool as the engine does, without a run around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from interlock.tools.gated import CallContext, serving
from interlock.tools.vault import Body, open_vault
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from interlock.tools import Classification, GatedTool


class Hands:
    """Tools by name, called as the engine would call them."""

    def __init__(self, tools: Sequence[GatedTool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def effect(self, name: str, **args: Any) -> Classification:
        """The classification of a call."""
        return self._tools[name].spec.classify(args)

    def body(self, name: str) -> Body:
        """The functions behind a tool."""
        return open_vault(self._tools[name].vault_key)

    def typed(self, name: str, **args: Any) -> dict[str, Any]:
        """The arguments as the body gets them; raises where they do not fit."""
        tool = self._tools[name]
        return tool.settled(tool.canonical(args), {})[1]

    def call(self, name: str, call_id: UUID | None = None, /, **args: Any) -> Any:
        """Run the body."""
        run = self.body(name).run
        assert run is not None
        with serving(_context(call_id or uuid7())):
            return run(self.typed(name, **args), {"config": {}, "run_manager": None})

    def undo(self, name: str, call_id: UUID, /, *, in_doubt: bool = False, **args: Any) -> None:
        """Run the undo of a call."""
        undo = self.body(name).undo
        assert undo is not None
        with serving(CallContext(uuid7(), call_id, f"undo of {call_id}")):
            undo.call(args, None, in_doubt=in_doubt)

    def verify(self, name: str, call_id: UUID, /, **args: Any) -> Any:
        """Ask what became of a call."""
        verify = self.body(name).verify
        assert verify is not None
        with serving(_context(call_id)):
            return verify(**self.typed(name, **args))

    def preview(self, name: str, /, **args: Any) -> Any:
        """What a reviewer would see."""
        preview = self.body(name).preview
        assert preview is not None
        return preview(**self.typed(name, **args))

    def fingerprint(self, name: str, /, **args: Any) -> Any:
        """The state of the target."""
        fingerprint = self.body(name).fingerprint
        assert fingerprint is not None
        return fingerprint(**self.typed(name, **args))


def _context(call_id: UUID) -> CallContext:
    return CallContext(uuid7(), call_id, str(call_id))


@pytest.fixture
def hands() -> type[Hands]:
    """What calls tools."""
    return Hands
