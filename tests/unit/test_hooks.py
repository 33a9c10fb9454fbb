"""Asking a tool's own functions: bounded, apart from the run, and read strictly."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from interlock import tool
from interlock.engine import hooks, target
from interlock.engine.hooks import HookFailed, ask_hook
from interlock.engine.recovery import may_start_again
from interlock.engine.verification import DidNotHappen, Unknown, read_answer, verify
from interlock.tools import CallContext, Happened, ToolDeclarationError, current_call
from interlock.tools.gated import current_gate


def test_a_function_is_asked_with_its_arguments_and_knows_its_call() -> None:
    call = CallContext(UUID(int=1), UUID(int=2), "the key")
    assert ask_hook(lambda x: x + 1, {"x": 1}) == 2
    assert ask_hook(lambda: current_call().idempotency_key, {}, call=call) == "the key"


def test_an_async_function_is_awaited() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    assert ask_hook(later, {"x": 3}) == 3


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt(), SystemExit(1)])
def test_whatever_it_raises_is_said_and_goes_no_further(error: BaseException) -> None:
    def hook() -> None:
        raise error

    with pytest.raises(HookFailed, match=type(error).__name__):
        ask_hook(hook, {})


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PATIENCE", 0.05)
    over = threading.Event()
    with pytest.raises(HookFailed, match=r"no answer within 0\.05 s"):
        ask_hook(over.wait, {"timeout": 5})
    over.set()


def test_it_is_outside_the_run() -> None:
    token = current_gate.set(SimpleNamespace())  # type: ignore[arg-type]
    try:
        assert ask_hook(current_gate.get, {}) is None
    finally:
        current_gate.reset(token)


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Happened({"gone": 1}), Happened({"gone": 1})),
        (True, Happened()),
        (False, DidNotHappen()),
        (None, Unknown("Its verify function could not tell.")),
    ],
)
def test_an_answer_is_read_by_its_meaning(answer: Any, finding: Any) -> None:
    assert read_answer(answer) == finding


@pytest.mark.parametrize("answer", [1, 0, "yes", "", {}, [], {"happened": True}, Happened])
def test_what_is_neither_yes_nor_no_is_no_answer(answer: Any) -> None:
    assert isinstance(read_answer(answer), Unknown)


def test_a_tool_that_changed_is_not_asked_about_the_calls_of_the_one_before() -> None:
    asked: list[str] = []

    def look(volume: str) -> None:
        asked.append(volume)

    @tool(effect="irreversible", verify=look)
    def wipe(volume: str) -> str:
        """Wipe."""
        return volume

    ask: Any = SimpleNamespace(tool=wipe, injected={})
    call: Any = SimpleNamespace(
        id=UUID(int=1), run_id=UUID(int=2), args=b'{"volume":"v7"}', tool_version="0" * 16
    )
    assert verify(ask, call) is None
    call.tool_version = wipe.spec.version
    assert isinstance(verify(ask, call), Unknown)
    assert asked == ["v7"]


@pytest.mark.parametrize(
    ("recovery", "key_left", "version", "again"),
    [
        ("again", 0.0, "same", True),
        ("same_key", 1.0, "same", True),
        ("same_key", 0.0, "same", False),
        ("same_key", 1.0, "other", False),
        ("again", 0.0, "other", False),
        ("verify", 1.0, "same", False),
        ("ask", 1.0, "same", False),
    ],
)
def test_what_broke_off_starts_again_only_as_it_was_and_while_its_key_is_known(
    recovery: str,
    key_left: float,
    version: str,
    again: bool,  # noqa: FBT001
) -> None:
    call: Any = SimpleNamespace(recovery=recovery, key_left=key_left, tool_version="same")
    spec: Any = SimpleNamespace(version=version)
    assert may_start_again(call, spec) is again


def test_a_large_state_is_kept_as_its_digest() -> None:
    @tool(effect="irreversible", fingerprint=lambda volume: "x" * 10_000 + volume)
    def wipe(volume: str) -> str:
        """Wipe."""
        return volume

    one, other = (target.measure(wipe, {"volume": name}) for name in ("v7", "v8"))
    assert one is not None
    assert len(one) < 100
    assert not target.is_same(one, other)
    assert target.is_same(one, target.measure(wipe, {"volume": "v7"}))


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"send_within": timedelta()}, "send_within of 0:00:00"),
        ({"send_within": timedelta(days=400)}, "at most 366 days"),
        ({"idempotent": True, "key_life": timedelta()}, "key_life of 0:00:00"),
        ({"key_life": timedelta(hours=1)}, "states the life of a key and takes none"),
    ],
)
def test_times_that_cannot_be_kept_are_refused_at_import(
    declared: dict[str, Any], says: str
) -> None:
    with pytest.raises(ToolDeclarationError, match=says):

        @tool(effect="irreversible", **declared)
        def wipe(volume: str) -> str:
            """Wipe."""
            return volume
