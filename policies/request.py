"""What a policy is asked about: one call as it is classified, by whom, and in which run so far.

All of it but the arguments is kept with the call (`as_json`), so that the very same question can be
put to another policy later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cedarpy

from ..tools.effect import Classification, Effect, Source
from .arguments import cedar_input
from .schema import ACTION, GATEWAY, PRINCIPAL, RESOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .shape import Record

_LONG_MAX = 2**63 - 1


class RequestRefusedError(Exception):
    """A request cannot be put to Cedar; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an agent of a tenant, and the claims of the user it stands for as tags."""

    agent: str
    tenant: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSoFar:
    """What a run did before a call: its calls, those that cannot be undone, its active seconds."""

    calls: int = 0
    irreversible: int = 0
    active_seconds: int = 0

    def as_json(self) -> dict[str, int]:
        """As `context.run` shows it."""
        return {
            "calls": self.calls,
            "irreversible": self.irreversible,
            "active_seconds": self.active_seconds,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One call to decide over.

    Attributes:
        args: the arguments the tool would get.
        tainted: the names of those that hold something which came from untrusted content.
        run: what its run did before it.
    """

    tool: str
    args: Mapping[str, Any]
    classification: Classification
    now: datetime
    principal: Principal
    tainted: tuple[str, ...] = ()
    run: RunSoFar = field(default_factory=RunSoFar)

    def as_json(self) -> dict[str, Any]:
        """What the policy sees of a call beside its tool, its arguments and its effect."""
        return {
            "now": self.now.isoformat(),
            "egress": list(self.classification.egress),
            "tainted": list(self.tainted),
            "run": self.run.as_json(),
            "tags": dict(self.principal.tags),
        }

    @classmethod
    def again(
        cls,
        tool: str,
        args: bytes,
        found: tuple[str, str, str],
        principal: tuple[str, str],
        kept: Mapping[str, Any],
    ) -> Request:
        """A request as it was: effect, source and rule; agent and tenant; and `as_json`."""
        effect, source, rule = found
        egress = tuple(kept["egress"])
        return cls(
            tool=tool,
            args=json.loads(args),
            classification=Classification(Effect(effect), Source(source), rule, (), egress),
            now=datetime.fromisoformat(kept["now"]),
            principal=Principal(*principal, kept["tags"]),
            tainted=tuple(kept["tainted"]),
            run=RunSoFar(**kept["run"]),
        )


def cedar_request(request: Request, action: str, arguments: Record) -> dict[str, Any]:
    """The request as Cedar takes it.

    Raises:
        RequestRefusedError: something about the call is unknown.
        ArgumentRefusedError: an argument cannot be shown exactly as it is.
    """
    context = {
        "input": cedar_input(request.args, arguments),
        **_classified(request.classification),
        "tainted": list(request.tainted),
        "run": _counted(request.run),
        "system": {"now": _instant(request.now)},
    }
    return {
        "principal": {"type": PRINCIPAL, "id": request.principal.agent},
        "action": {"type": ACTION, "id": action},
        "resource": {"type": RESOURCE, "id": GATEWAY},
        "context": context,
    }


def entities_of(principal: Principal, schema: cedarpy.Schema) -> cedarpy.Entities:
    """The principal as an entity with its tags. Raises `RequestRefusedError`."""
    own = {"agent": principal.agent, "tenant": principal.tenant}
    clash = sorted(own.keys() & principal.tags.keys())
    if clash:
        raise RequestRefusedError(f"A claim of the user may not be called `{clash[0]}`.")
    entity = {
        "uid": {"type": PRINCIPAL, "id": principal.agent},
        "attrs": {"id": principal.agent},
        "tags": {**principal.tags, **own},
        "parents": [],
    }
    gateway = {"uid": {"type": RESOURCE, "id": GATEWAY}, "attrs": {}, "parents": []}
    try:
        return cedarpy.Entities.from_json_str(json.dumps([entity, gateway]), schema)
    except (ValueError, TypeError) as error:
        raise RequestRefusedError(f"The principal cannot be read: {error}.") from None


def key_of(principal: Principal) -> tuple[str, ...]:
    """Tells principals apart, each tag by its name and its value."""
    tags = (text for tag in sorted(principal.tags.items()) for text in tag)
    return (principal.agent, principal.tenant, *tags)


def _classified(classification: Classification) -> dict[str, Any]:
    if not isinstance(classification.effect, Effect):
        raise RequestRefusedError("The call's effect is unknown.")
    if not isinstance(classification.source, Source) or not isinstance(classification.rule, str):
        raise RequestRefusedError("Where the call's effect comes from is unknown.")
    egress = classification.egress
    if type(egress) is not tuple or not all(isinstance(address, str) for address in egress):
        raise RequestRefusedError("Where the call sends to is unknown.")
    return {
        "effect": classification.effect,
        "effect_source": classification.source,
        "effect_rule": classification.rule,
        "egress": list(egress),
    }


def _counted(run: RunSoFar) -> dict[str, int]:
    counts = run.as_json()
    if not all(type(count) is int and 0 <= count <= _LONG_MAX for count in counts.values()):
        raise RequestRefusedError("What the run did so far is unknown.")
    return counts


def _instant(now: datetime) -> dict[str, Any]:
    """Cedar's datetime: UTC to the millisecond."""
    if now.utcoffset() is None:
        raise RequestRefusedError("The time of the request has no time zone.")
    try:
        utc = now.astimezone(UTC)
    except OverflowError:
        raise RequestRefusedError("The time of the request is out of range.") from None
    text = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"__extn": {"fn": "datetime", "arg": text}}
