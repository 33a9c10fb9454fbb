"""`@tool` declares a gated tool; `gate` puts any LangChain tool behind the gate."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints, overload

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool
from langchain_core.tools import tool as langchain_tool
from langchain_core.tools.base import get_all_basemodel_annotations
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from pydantic import PydanticUserError, TypeAdapter, create_model

from .classify.addresses import addresses_among, by_addresses
from .classify.evidence import Evidence, by_evidence
from .classify.parameters import names_in
from .effect import Effect
from .gated import GatedTool, Refused
from .spec import SEND_WITHIN, ToolDeclarationError, ToolSpec
from .undo import Undo
from .vault import Body, lock_away

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta

    from langchain_core.tools import ToolException

    from .effect import EffectRule, EgressRule

    Declared = str | Effect | EffectRule | None


@overload
def tool(function: Callable[..., Any], /) -> GatedTool: ...
@overload
def tool(
    *,
    effect: Declared = None,
    undo: Callable[..., Any] | Undo | None = None,
    preview: Callable[..., Mapping[str, Any]] | None = None,
    headline: Callable[..., str] | None = None,
    fingerprint: Callable[..., Any] | None = None,
    verify: Callable[..., Any] | None = None,
    idempotent: bool = False,
    key_life: timedelta | None = None,
    send_within: timedelta = SEND_WITHIN,
    returns: Any = None,
    version: str = "1",
    name: str | None = None,
    description: str | None = None,
    args_schema: Any = None,
    egress: Iterable[str] | None = None,
    untrusted: bool | None = None,
) -> Callable[[Callable[..., Any]], GatedTool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    args_schema: Any = None,
    **declaration: Any,
) -> Any:
    """Make a function, sync or async, a gated tool.

    Args:
        function: the body; its signature and docstring describe the tool to a model.
        name: the tool's name; the function's by default.
        description: what a model is told; the docstring by default.
        args_schema: a pydantic model or JSON schema; from the signature by default.
        **declaration: as for `gate`.

    Raises:
        ToolDeclarationError: the declaration cannot be kept.
    """

    def declare(body: Callable[..., Any]) -> GatedTool:
        told = description or inspect.getdoc(body) or body.__name__
        make = langchain_tool(name or body.__name__, description=told, args_schema=args_schema)
        return gate(make(body), **declaration)

    return declare if function is None else declare(function)


def gate(
    inner: BaseTool,
    *,
    effect: Declared = None,
    undo: Callable[..., Any] | Undo | None = None,
    preview: Callable[..., Mapping[str, Any]] | None = None,
    headline: Callable[..., str] | None = None,
    fingerprint: Callable[..., Any] | None = None,
    verify: Callable[..., Any] | None = None,
    idempotent: bool = False,
    key_life: timedelta | None = None,
    send_within: timedelta = SEND_WITHIN,
    returns: Any = None,
    version: str = "1",
    egress: Iterable[str] | None = None,
    untrusted: bool | None = None,
    trusted: bool = False,
) -> GatedTool:
    """Put any LangChain tool behind the gate.

    Without a declared effect, what the tool says of itself decides: it is a read where plain sense
    says so, and irreversible otherwise.

    Args:
        inner: the tool; it stays as it is, so do not hand it to a graph yourself.
        effect: `read`, `reversible`, `irreversible`, or a function from arguments to an effect.
        undo: `undo(args, result)`, or `undo(args, result, in_doubt)`; a reversible tool must have
            one. `Undo(function, …)` says more of it.
        preview: `preview(**args)` → facts measured by the host and shown to the reviewer.
        headline: `headline(**args)` → one sentence: verb, object, extent.
        fingerprint: `fingerprint(**args)` → the state of the target, as anything that JSON holds.
            It is measured when the call is proposed and right before it starts; an approval is
            void where the two differ.
        verify: `verify(**args)` → what became of a call in doubt: `Happened(result)` or True,
            False, or None where it cannot tell. It may ask `current_call()` for the key.
        idempotent: the body hands `current_call().idempotency_key` to a service that honours it.
        key_life: how long that service knows a key; after it the call is in doubt as any other.
        send_within: how long after its start a call may still reach its target. Before that is over
            neither `verify` nor a person is believed that it did not happen.
        returns: the type of the result. One that does not fit is recorded as it is, and the agent
            gets an error that says so.
        version: raise it when the body comes to do something else.
        egress: the arguments that hold addresses outside; told by their names without it.
        trusted: the tool's server is trusted, so that its `readOnlyHint` counts.
        untrusted: its results are content from outside (pages, mails): what of them comes back in
            later arguments is shown, and is `context.tainted` to policies. Without it, true of a
            tool that is given addresses outside.

    Raises:
        ToolDeclarationError: the declaration cannot be kept.
    """
    if isinstance(inner, GatedTool):
        raise ToolDeclarationError(f"Tool '{inner.name}' is gated already.")
    inner = _with_schema(inner)
    _check_no_secret(inner)
    taken_back = Undo.of(undo)
    result = _result_type(inner, returns)
    schema = _json_schema(inner)
    spec = ToolSpec.of(
        name=inner.name,
        description=inner.description,
        schema=schema,
        effect=_effect(inner.name, effect),
        undo=taken_back.terms if taken_back else None,
        verifiable=verify is not None,
        idempotent=idempotent,
        version=version,
        send_within=send_within,
        key_life=key_life,
        returns=result.json_schema() if result else None,
        evidence=by_evidence(_evidence(inner, schema, trusted=trusted)) if effect is None else None,
        egress=_egress(inner.name, schema, egress, by_value=effect is None and egress is None),
        untrusted=bool(_addresses(schema, egress)) if untrusted is None else untrusted,
    )
    body = Body(
        run=_sync_body(inner),
        arun=_async_body(inner),
        undo=taken_back,
        preview=preview,
        headline=headline,
        verify=verify,
        fingerprint=fingerprint,
        injected=_given_by_the_framework(inner),
        spec=spec,
        returns=result,
    )
    return _shell(inner, body)


def _check_no_secret(inner: BaseTool) -> None:
    """A secret is stored as asterisks, and the body would get those.

    Raises:
        ToolDeclarationError: an argument, or a part of one, is a `SecretStr` or `SecretBytes`.
    """
    if _has_secret(_json_schema(inner)):
        raise ToolDeclarationError(
            f"Tool '{inner.name}' has a secret among its arguments, which would be stored, and "
            "run, as asterisks. Let the body get the secret itself, and take its name instead."
        )


def _has_secret(schema: Any) -> bool:
    """Whether pydantic describes a secret somewhere in it."""
    if isinstance(schema, dict):
        secret = schema.get("writeOnly") is True and schema.get("format") == "password"
        return secret or any(map(_has_secret, schema.values()))
    return isinstance(schema, list) and any(map(_has_secret, schema))


def _shell(inner: BaseTool, body: Body) -> GatedTool:
    """The tool that takes the inner one's place in graphs."""
    return GatedTool(
        key=lock_away(body),
        name=inner.name,
        description=inner.description,
        args_schema=inner.args_schema,
        return_direct=inner.return_direct,
        response_format=inner.response_format,
        handle_tool_error=_answer_for(inner),
        handle_validation_error=inner.handle_validation_error,
        tags=inner.tags,
        metadata=inner.metadata,
        extras=inner.extras,
    )


def _evidence(inner: BaseTool, schema: Mapping[str, Any], *, trusted: bool) -> Evidence:
    """What the tool says of itself; the MCP adapter puts its server's hints into the metadata."""
    known = inner.metadata or {}
    return Evidence(
        inner.name,
        inner.description,
        names_in(schema),
        {name: known[name] for name in _HINTS if name in known},
        known.get("openapi"),
        trusted=trusted is True,
    )


def _addresses(schema: Mapping[str, Any], declared: Iterable[str] | None) -> frozenset[str]:
    """The arguments that hold addresses outside."""
    return addresses_among(names_in(schema)) if declared is None else frozenset(declared)


def _egress(
    name: str, schema: Mapping[str, Any], declared: Iterable[str] | None, *, by_value: bool
) -> EgressRule | None:
    named = _addresses(schema, declared)
    missing = named - set(names_in(schema))
    if missing:
        raise ToolDeclarationError(
            f"Tool '{name}' names '{min(missing)}' as an address, which is none of its arguments."
        )
    return by_addresses(named, by_value=by_value) if named or by_value else None


_HINTS = ("readOnlyHint", "destructiveHint")
_FRAMEWORK = (InjectedState, InjectedStore, InjectedToolCallId, ToolRuntime)
_RESERVED = frozenset({"config", "run_manager"})


def _given_by_the_framework(inner: BaseTool) -> frozenset[str]:
    """The arguments that LangGraph fills in.

    Raises:
        ToolDeclarationError: an argument that neither the model nor LangGraph gives, and that no
            reviewer would see; or one whose name LangChain keeps for itself.
    """
    chosen = set(_json_schema(inner).get("properties", {}))
    if chosen & _RESERVED:
        raise ToolDeclarationError(
            f"Tool '{inner.name}' has an argument '{min(chosen & _RESERVED)}', a name that "
            "LangChain takes for itself. Rename it."
        )
    schema: Any = inner.args_schema
    every = {} if isinstance(schema, dict) else get_all_basemodel_annotations(schema)
    hidden = {name: hint for name, hint in every.items() if name not in _names(inner)}
    given = {name for name, hint in hidden.items() if _is_framework(hint)}
    if set(hidden) - given:
        raise ToolDeclarationError(
            f"Tool '{inner.name}' takes '{min(set(hidden) - given)}' from its caller, past the "
            "model and the reviewer. Bind it before you make the tool, or let it be an argument."
        )
    return inner._injected_args_keys | given  # noqa: SLF001 - LangChain has no public name for it


def _names(inner: BaseTool) -> set[str]:
    schema: Any = inner.tool_call_schema
    return set(schema.get("properties", {}) if isinstance(schema, dict) else schema.model_fields)


def _is_framework(hint: Any) -> bool:
    parts = [hint, get_origin(hint), *get_args(hint)]
    return any(
        isinstance(part, _FRAMEWORK) or (isinstance(part, type) and issubclass(part, _FRAMEWORK))
        for part in parts
    )


def _effect(name: str, declared: Declared) -> Effect | EffectRule | None:
    if declared is None or (callable(declared) and not isinstance(declared, str)):
        return declared
    try:
        return Effect(declared)
    except ValueError:
        raise ToolDeclarationError(
            f"Tool '{name}' declares the effect '{declared}'. "
            "An effect is read, reversible or irreversible."
        ) from None


def _result_type(inner: BaseTool, returns: Any) -> TypeAdapter[Any] | None:
    if returns is None:
        return None
    if inner.response_format != "content":
        raise ToolDeclarationError(
            f"Tool '{inner.name}' gives content and an artifact, so its result has no one type. "
            "Leave returns=… out."
        )
    try:
        kind: TypeAdapter[Any] = TypeAdapter(returns)
        kind.json_schema()
    except PydanticUserError as error:
        raise ToolDeclarationError(
            f"Tool '{inner.name}' declares a result that has no JSON schema: {error.message}"
        ) from None
    return kind


def _with_schema(inner: BaseTool) -> BaseTool:
    """A copy whose arguments are described: LangChain's one-string `Tool` and bare classes."""
    if inner.args_schema is not None:
        return inner
    one_string = isinstance(inner, Tool)
    schema = (
        create_model(inner.name, tool_input=(str, ...)) if one_string else inner.get_input_schema()
    )
    return inner.model_copy(update={"args_schema": schema})


def _json_schema(inner: BaseTool) -> Mapping[str, Any]:
    schema: Any = inner.tool_call_schema
    return dict(schema) if isinstance(schema, dict) else schema.model_json_schema()


def _taking(function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What of the framework's offer a function has parameters for; looked up once."""
    known = inspect.signature(function).parameters
    return lambda offered: {name: value for name, value in offered.items() if name in known}


def _sync_body(inner: BaseTool) -> Callable[..., Any] | None:
    if isinstance(inner, StructuredTool) and inner.func is None:
        return None
    if isinstance(inner, Tool):
        return lambda args, framework: inner._run(args["tool_input"], **framework)  # noqa: SLF001
    taken = _taking(inner._run)  # noqa: SLF001
    return lambda args, framework: inner._run(**args, **taken(framework))  # noqa: SLF001


def _async_body(inner: BaseTool) -> Callable[..., Awaitable[Any]] | None:
    if isinstance(inner, StructuredTool | Tool):
        if inner.coroutine is None:
            return None
    elif type(inner)._arun is BaseTool._arun:  # noqa: SLF001
        return None
    if isinstance(inner, Tool):
        return lambda args, framework: inner._arun(args["tool_input"], **framework)  # noqa: SLF001
    plain = inner.coroutine if type(inner) is StructuredTool else None
    if plain is not None and _is_plain(plain):
        # as `StructuredTool._arun`, which looks the parameters up again at every call
        return lambda args, _: plain(**args)
    taken = _taking(inner._arun)  # noqa: SLF001
    return lambda args, framework: inner._arun(**args, **taken(framework))  # noqa: SLF001


def _is_plain(function: Callable[..., Any]) -> bool:
    """Whether a tool's function takes its arguments and nothing from the framework."""
    try:
        hints = get_type_hints(function)
    except Exception:  # noqa: BLE001 - whatever it is annotated with, the longer way still works
        return False
    return "callbacks" not in inspect.signature(function).parameters and not any(
        RunnableConfig in (hint, *get_args(hint)) for hint in hints.values()
    )


def _answer_for(inner: BaseTool) -> Callable[[ToolException], Any]:
    """A refusal is answered as it is; a tool's own error as its author said, else as a sentence."""
    own = inner.handle_tool_error

    def answer(error: ToolException) -> Any:
        if isinstance(error, Refused) or not own or own is True:
            return str(error)
        return own if isinstance(own, str) else own(error)

    return answer
