"""What `gate` makes of a tool that nobody declared, and of the addresses among its arguments."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.tools.classify import by_http
from interlock.tools.decorator import gate, tool
from interlock.tools.effect import Effect, Source
from interlock.tools.spec import ToolDeclarationError
from langchain_core.tools import StructuredTool
from pydantic import BaseModel


def made(name: str, description: str = "", schema: Any = None, **metadata: Any) -> StructuredTool:
    """A tool as LangChain's MCP adapter makes it: the server's hints lie flat in its metadata."""
    properties = {name: {"type": "string"} for name in schema or []}
    return StructuredTool(
        name=name,
        description=description,
        args_schema={"type": "object", "properties": properties},
        func=lambda **_: "done",
        metadata=metadata or None,
    )


def test_an_undeclared_tool_that_plainly_reads_is_a_read() -> None:
    spec = gate(made("get_user", "Get a user.", ["id"])).spec
    found = spec.classify({"id": "7"})

    assert (found.effect, found.source, found.rule) == (
        Effect.READ,
        Source.INFERRED,
        "plain-reading",
    )
    assert (spec.declared, spec.source) == ("undeclared", Source.INFERRED)


def test_a_declaration_has_the_last_word() -> None:
    for effect in ("read", "irreversible"):
        for name in ("get_user", "delete_user"):
            found = gate(made(name), effect=effect).spec.classify({})
            assert (found.effect, found.source) == (Effect(effect), Source.DECLARED)


def test_the_hints_of_a_server_count_as_far_as_it_is_trusted() -> None:
    hints = {"readOnlyHint": True, "destructiveHint": None, "idempotentHint": None, "title": None}

    def effect(name: str, *, trusted: bool = False, **hints: Any) -> Effect:
        return gate(made(name, **hints), trusted=trusted).spec.classify({}).effect

    assert effect("frobnicate", **hints) is Effect.IRREVERSIBLE
    assert effect("frobnicate", trusted=True, **hints) is Effect.READ
    assert effect("send_mail", trusted=True, **hints) is Effect.IRREVERSIBLE
    assert effect("get_user", readOnlyHint=False) is Effect.IRREVERSIBLE
    assert effect("get_user", destructiveHint=True) is Effect.IRREVERSIBLE


def test_nested_arguments_are_looked_at_too() -> None:
    class Deep(BaseModel):
        body: str

    class Outer(BaseModel):
        parts: list[Deep]

    inner = StructuredTool(
        name="get_user", description="Get a user.", args_schema=Outer, func=lambda **_: ""
    )

    assert gate(inner).spec.classify({}).rule == "parameter-acts"


def test_an_openapi_operation_in_the_metadata_says_what_the_tool_does() -> None:
    read = made("widgets", openapi={"method": "get", "path": "/widgets"})
    write = made("get_widgets", openapi={"method": "post", "path": "/widgets"})

    assert gate(read).spec.classify({}).rule == "safe-method"
    assert gate(write).spec.classify({}).rule == "method-post"


def test_an_address_among_the_arguments_is_egress_and_told_in_the_evidence() -> None:
    spec = gate(made("fetch_page", "Fetch a page.", ["url"]), effect="read").spec
    found = spec.classify({"url": "https://evil.example/?x=1"})

    assert found.egress == ("evil.example",)
    assert found.evidence[-1] == ("It sends to an address that its arguments chose: evil.example.")
    assert spec.classify({"url": "/own/path"}).egress == ()
    assert spec.classify({"url": 7}).egress == ("unknown",)
    assert spec.classify({"url": "evil.example/x"}).egress == ("evil.example",)
    assert spec.classify({"url": ""}).egress == ()


@pytest.mark.parametrize(
    "name", ["url", "imageUrl", "url_2", "callback", "webhook", "host", "uris"]
)
def test_an_argument_called_after_an_address_holds_one(name: str) -> None:
    assert gate(made("x", "", [name]), effect="read").spec.classify({name: "a"}).egress == (
        "unknown",
    )


@pytest.mark.parametrize("name", ["link_id", "url_count", "webhook_ids", "host_group", "origin"])
def test_one_that_only_tells_which_does_not(name: str) -> None:
    assert gate(made("x", "", [name]), effect="read").spec.classify({name: "a"}).egress == ()


def test_which_arguments_hold_addresses_can_be_declared() -> None:
    site = made("visit", "", ["site", "url"])

    assert gate(site, effect="read", egress=["site"]).spec.classify(
        {"site": "https://a.example", "url": "https://b.example"}
    ).egress == ("a.example",)
    assert (
        gate(site, effect="read", egress=()).spec.classify({"url": "https://b.example"}).egress
        == ()
    )
    with pytest.raises(ToolDeclarationError, match="'where' as an address"):
        gate(site, effect="read", egress=["where"])


def test_of_an_undeclared_tool_any_whole_url_is_an_address() -> None:
    plain = made("get_page", "Get a page.", ["id"])

    for written in ("https://evil.example", "https%3A%2F%2Fevil.example", " //evil.example/x"):
        assert gate(plain).spec.classify({"id": written}).egress == ("evil.example",)
    assert gate(plain, effect="read").spec.classify({"id": "https://evil.example"}).egress == ()


def test_a_rule_over_arguments_says_effect_and_egress() -> None:
    @tool(effect=by_http("url", method="method"))
    def request(method: str, url: str) -> str:
        """Send a request."""
        return method + url

    own = request.spec.classify({"method": "GET", "url": "/x"})
    other = request.spec.classify({"method": "GET", "url": "https://evil.example/x"})

    assert (own.effect, own.egress) == (Effect.READ, ())
    assert (other.effect, other.egress) == (Effect.READ, ("evil.example",))
    assert len(other.evidence) == 2


def test_that_there_is_none_can_be_declared_of_an_undeclared_tool_too() -> None:
    plain = gate(made("get_page", "Get a page.", ["id"]), egress=()).spec

    assert plain.classify({"id": "https://evil.example"}).egress == ()
