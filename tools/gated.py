"""A tool that asks the gate before its body runs, however it is called."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

import rfc8785
from langchain_core.callbacks import (  # noqa: TC002 - LangChain reads the signatures
    AsyncCallbackManagerForToolRun,
    CallbackManagerForToolRun,
)
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangChain reads the signatures
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr
from pydantic_core import to_jsonable_python

from .vault import Key, open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from .spec import ToolSpec


class OutsideRun(RuntimeError):
    """A gated tool was called where no run is."""

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"Tool '{tool}' was called outside a run and did not run. "
            "Gated tools run only inside an Interlock run; start one with `interlock run`."
        )


class Refused(ToolException):
    """The call did not run, and why; the agent gets the sentence as the tool's answer."""


class NotExact(Refused):
    """The arguments change when they are read back, so what is approved would not be what runs."""


class NotDone(ToolException):
    """Raised by a tool's body that knows that nothing happened.

    Any other error of an irreversible call leaves it in doubt: it may have happened.
    """


@dataclass(frozen=True, slots=True)
class Happened:
    """A `verify` function's answer for a call that happened, with its result where it knows it."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a tool's body, or its `verify`, may know of the call it serves."""

    run_id: UUID
    call_id: UUID
    idempotency_key: str
    """The same for every start of this call; hand it to a service that takes one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A place that calls are asked for from twice: to hold those that wait for a person, all of
    them before any starts, and then to run each.

    Attributes:
        name: what tells the place from any other of its graph; the same both times.
        is_held: whether this is the first time, when nothing may start.
    """

    name: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """One call as it comes to the gate."""

    tool: GatedTool
    args: bytes
    """RFC 8785 bytes of the arguments a model can choose; injected ones are not among them."""
    injected: Mapping[str, Any]
    framework: Mapping[str, Any]
    tool_call_id: str | None
    batch: Batch | None = None


class Gate(Protocol):
    """Decides on a call and, if it may, runs it from its stored bytes."""

    def ask(self, ask: Ask) -> Any:
        """The call's outcome; raises `Refused`, or parks the run."""

    async def aask(self, ask: Ask) -> Any:
        """The same for async tools."""


current_gate: ContextVar[Gate | None] = ContextVar("interlock_gate", default=None)
_current_call: ContextVar[CallContext | None] = ContextVar("interlock_call", default=None)
_batch: ContextVar[Batch | None] = ContextVar("interlock_batch", default=None)
_tool_call_id: ContextVar[str | None] = ContextVar("interlock_tool_call_id", default=None)


@contextmanager
def serving(call: CallContext) -> Iterator[None]:
    """For the gate: the block runs the body of this call."""
    token, batch = _current_call.set(call), _batch.set(None)
    try:
        yield
    finally:
        _batch.reset(batch)
        _current_call.reset(token)


@contextmanager
def in_batch(batch: Batch) -> Iterator[None]:
    """Calls of the block are asked for from this place, whatever task they are asked for in."""
    token = _batch.set(batch)
    try:
        yield
    finally:
        _batch.reset(token)


def serving_call() -> CallContext | None:
    """The call whose body this is, if it is one."""
    return _current_call.get()


def current_call() -> CallContext:
    """The call that the running tool body, or its `verify`, serves.

    Raises:
        LookupError: no gated tool is running here.
    """
    call = _current_call.get()
    if call is None:
        raise LookupError("current_call() is for the body of a gated tool.")
    return call


class GatedTool(BaseTool):
    """A LangChain tool whose body runs only through the gate of the run it is called in.

    `run` and `arun` remember the model's `tool_call_id`; `_run` and `_arun`, which every path of
    LangChain ends in, ask the gate. The functions behind the tool are in the vault.
    """

    handle_tool_error: Any = True
    _key: Key = PrivateAttr()

    def __init__(self, *, key: Key, **fields: Any) -> None:
        super().__init__(**fields)
        self._key = key

    @property
    def spec(self) -> ToolSpec:
        """What the tool says of itself; with its functions in the vault, so that it stays so."""
        return open_vault(self._key).spec

    @property
    def vault_key(self) -> Key:
        """What the gate opens the vault with."""
        return self._key

    @property
    def argument_names(self) -> frozenset[str]:
        """The arguments that a model can choose, as the body names them."""
        return frozenset(self._properties)

    @cached_property
    def _injected_args_keys(self) -> frozenset[str]:
        return open_vault(self._key).injected

    @cached_property
    def _properties(self) -> dict[str, str]:
        """Name of each argument a model can choose → its property in the JSON schema."""
        schema: Any = self.tool_call_schema
        if isinstance(schema, dict):
            return {name: name for name in schema.get("properties", {})}
        fields = schema.model_fields.items()
        return {
            name: field.validation_alias if isinstance(field.validation_alias, str) else name
            for name, field in fields
        }

    def run(self, tool_input: Any, *args: Any, tool_call_id: str | None = None, **kw: Any) -> Any:
        """Run through the gate; as `BaseTool.run`."""
        token = _tool_call_id.set(tool_call_id)
        try:
            return super().run(tool_input, *args, tool_call_id=tool_call_id, **kw)
        finally:
            _tool_call_id.reset(token)

    async def arun(
        self, tool_input: Any, *args: Any, tool_call_id: str | None = None, **kw: Any
    ) -> Any:
        """Run through the gate; as `BaseTool.arun`."""
        token = _tool_call_id.set(tool_call_id)
        try:
            return await super().arun(tool_input, *args, tool_call_id=tool_call_id, **kw)
        finally:
            _tool_call_id.reset(token)

    def _run(
        self,
        *args: Any,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **kwargs: Any,
    ) -> Any:
        if open_vault(self._key).run is None:
            raise NotImplementedError(f"Tool '{self.name}' is async; call it with ainvoke.")
        gate = self._gate()
        return gate.ask(self._asking(args, kwargs, {"config": config, "run_manager": run_manager}))

    async def _arun(
        self,
        *args: Any,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **kwargs: Any,
    ) -> Any:
        gate = self._gate()
        framework = {"config": config, "run_manager": run_manager}
        return await gate.aask(self._asking(args, kwargs, framework))

    def _gate(self) -> Gate:
        gate = current_gate.get()
        if gate is None:
            raise OutsideRun(self.name)
        return gate

    def _asking(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], framework: Mapping[str, Any]
    ) -> Ask:
        names = self._properties
        if args:
            kwargs = {**kwargs, next(iter(names), "input"): args[0]}
        injected = {k: v for k, v in kwargs.items() if k not in names}
        unknown = [k for k in injected if k not in self._injected_args_keys]
        if unknown or len(args) > 1:
            raise Refused(f"{self.name} did not run: it has no argument '{', '.join(unknown)}'.")
        chosen = {names[k]: v for k, v in kwargs.items() if k in names}
        stored, call_id = self.canonical(chosen), _tool_call_id.get()
        return Ask(self, stored, injected, framework, call_id, _batch.get())

    def canonical(self, chosen: Mapping[str, Any]) -> bytes:
        """RFC 8785 bytes of arguments, keyed as in the JSON schema.

        Raises:
            Refused: a value has no exact JSON form.
        """
        try:
            return rfc8785.dumps(to_jsonable_python(_ordered(dict(chosen))))
        except ValueError as error:  # PydanticSerializationError and CanonicalizationError are such
            reason = str(error).splitlines()[0].rstrip(".")
            raise Refused(
                f"{self.name} did not run: its arguments have no exact JSON form ({reason})."
            ) from None

    def typed(self, args: bytes, injected: Mapping[str, Any]) -> dict[str, Any]:
        """The stored bytes as the body's keyword arguments, validated by the tool's own schema.

        Raises:
            pydantic.ValidationError: the arguments do not fit the tool.
        """
        clash = set(injected) & {*self._properties, *self._properties.values()}
        if clash:
            raise NotExact(f"{self.name} did not run: '{min(clash)}' came in beside the arguments.")
        parsed = self._parse_input({**json.loads(args), **injected}, _tool_call_id.get())
        return parsed if isinstance(parsed, dict) else {}

    def settled(self, args: bytes, injected: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
        """The arguments with their defaults, as they come back from storage unchanged; and typed.

        Raises:
            NotExact: reading them back changes them.
            pydantic.ValidationError: the arguments do not fit the tool.
        """
        typed = self.typed(args, injected)
        whole = self.canonical(self._chosen(typed))
        if whole == args:
            return whole, typed
        typed = self.exactly(whole, injected)
        if not _within(json.loads(args), json.loads(whole)):
            raise self._not_exact()
        return whole, typed

    def exactly(self, args: bytes, injected: Mapping[str, Any]) -> dict[str, Any]:
        """As `typed`, for bytes that were settled before.

        Raises:
            NotExact: they are not read as they were: a validator says something else now.
        """
        typed = self.typed(args, injected)
        if self.canonical(self._chosen(typed)) != args:
            raise self._not_exact()
        return typed

    def _not_exact(self) -> NotExact:
        return NotExact(
            f"{self.name} did not run: its arguments change when they are read back, "
            "so what is approved would not be what runs."
        )

    def _chosen(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        return {self._properties[k]: v for k, v in typed.items() if k in self._properties}


# LangChain resolves these at every call, and does so much faster where they are classes already
for _method in (GatedTool._run, GatedTool._arun):  # noqa: SLF001 - they are this module's
    _method.__annotations__ = get_type_hints(_method)


def _within(asked: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    return all(name in whole and whole[name] == value for name, value in asked.items())


def _ordered(value: Any) -> Any:
    """The value with each set in one order, which Python gives it anew in each process."""
    if isinstance(value, dict):
        return {key: _ordered(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(
            map(_ordered, value), key=lambda part: rfc8785.dumps(to_jsonable_python(part))
        )
    if type(value) in (list, tuple):
        return [_ordered(part) for part in value]
    return value
