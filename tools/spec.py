"""What a tool says of itself: everything the gate, the policy and the reviewer need."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import rfc8785

from .effect import Classification, Effect, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .effect import EffectRule, EgressRule
    from .undo import UndoTerms

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
SEND_WITHIN = timedelta(minutes=1)
"""How long after its start a call may still reach its target, where its tool does not say."""
KEY_LIFE = timedelta(hours=1)
"""How long a service knows an idempotency key, where its tool does not say."""
_LONGEST = timedelta(days=366)


class ToolDeclarationError(ValueError):
    """A tool was declared in a way that cannot be kept; raised where it is declared."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool's name, version, arguments, and how its effect is known.

    `version` is the first 16 hex digits of a SHA-256 over name, schema, effect, the result's schema
    where one is declared, and the version that its author gave it: an approval given for one
    version does not cover another.

    Attributes:
        send_within: how long after its start a call may still reach its target; before that is over
            nobody can know that it did not happen.
        key_life: how long the service knows the idempotency key; None where it takes none.
        evidence: what is known of its effect where none is declared.
        egress: the outside addresses that a call's arguments name.
        untrusted: its results are content from outside, which anybody may have written.
    """

    name: str
    version: str
    description: str
    schema: Mapping[str, Any]
    effect: Effect | EffectRule | None
    undo: UndoTerms | None
    verifiable: bool
    idempotent: bool
    send_within: timedelta = SEND_WITHIN
    key_life: timedelta | None = None
    evidence: EffectRule | None = None
    egress: EgressRule | None = None
    untrusted: bool = False

    @classmethod
    def of(
        cls,
        *,
        name: str,
        description: str,
        schema: Mapping[str, Any],
        effect: Effect | EffectRule | None,
        undo: UndoTerms | None,
        verifiable: bool,
        idempotent: bool,
        version: str,
        send_within: timedelta = SEND_WITHIN,
        key_life: timedelta | None = None,
        returns: Mapping[str, Any] | None = None,
        evidence: EffectRule | None = None,
        egress: EgressRule | None = None,
        untrusted: bool = False,
    ) -> ToolSpec:
        """Check a declaration and give it its version.

        Raises:
            ToolDeclarationError: a name that is not plain, "reversible" without an undo, a time
                that is none, or the life of a key that is not taken.
        """
        if not _NAME.fullmatch(name):
            raise ToolDeclarationError(
                f"A tool is named with letters, digits, '_', '.' and '-' only, not '{name}'."
            )
        if effect is Effect.REVERSIBLE and undo is None:
            raise ToolDeclarationError(
                f"Tool '{name}' is declared reversible and registers no undo. "
                "Give it undo=…, or declare it irreversible."
            )
        if key_life is not None and not idempotent:
            raise ToolDeclarationError(
                f"Tool '{name}' states the life of a key and takes none. Say idempotent=True, too."
            )
        for what, time in (("send_within", send_within), ("key_life", key_life)):
            if time is not None and not timedelta() < time <= _LONGEST:
                raise ToolDeclarationError(
                    f"Tool '{name}' has a {what} of {time}; it is more than nothing and at most "
                    f"{_LONGEST.days} days."
                )
        declared = effect.value if isinstance(effect, Effect) else _rule_name(effect)
        content: dict[str, Any] = {
            "name": name,
            "schema": dict(schema),
            "effect": declared,
            "undo": _undo_in_version(undo),
            "idempotent": idempotent,
            "version": version,
            **({"returns": dict(returns)} if returns is not None else {}),
        }
        digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()[:16]
        life = (key_life or KEY_LIFE) if idempotent else None
        return cls(
            name,
            digest,
            description,
            schema,
            effect,
            undo,
            verifiable,
            idempotent,
            send_within,
            life,
            evidence,
            egress,
            untrusted,
        )

    @property
    def undoable(self) -> bool:
        """Whether the tool registers an undo."""
        return self.undo is not None

    @property
    def declared(self) -> str:
        """The declared effect in a word, or `by argument`, or `undeclared`."""
        if isinstance(self.effect, Effect):
            return self.effect.value
        return "undeclared" if self.effect is None else "by argument"

    @property
    def source(self) -> Source:
        """Where the effect of the tool's calls comes from."""
        return Source.DECLARED if self.effect is not None else self._effect_of({}).source

    def classify(self, args: Mapping[str, Any]) -> Classification:
        """The effect of a call with these arguments; irreversible whenever that is not known."""
        addresses = self.egress(args) if self.egress else ()
        return self._effect_of(args).sending_to(addresses)

    def _effect_of(self, args: Mapping[str, Any]) -> Classification:
        if self.effect is None and self.evidence is not None:
            return self._classify_by_rule(self.evidence, args)
        if self.effect is None:
            return Classification(
                Effect.IRREVERSIBLE,
                Source.DEFAULT,
                "undeclared",
                ("The tool declares no effect, so it counts as irreversible.",),
            )
        if isinstance(self.effect, Effect):
            evidence = f"The tool is declared {self.effect.value}."
            return Classification(self.effect, Source.DECLARED, "declared", (evidence,))
        return self._classify_by_rule(self.effect, args)

    def _classify_by_rule(self, rule: EffectRule, args: Mapping[str, Any]) -> Classification:
        name = _rule_name(rule)
        try:
            answer = rule(args)
        except Exception as error:  # noqa: BLE001 - a rule is the tool author's code; it fails closed
            reason = f"The rule '{name}' failed: {type(error).__name__}."
            return Classification(Effect.IRREVERSIBLE, Source.DEFAULT, "rule-failed", (reason,))
        if isinstance(answer, Effect):
            answer = Classification(answer, Source.DECLARED, name)
        if not isinstance(answer, Classification):
            reason = f"The rule '{name}' gave no effect."
            return Classification(Effect.IRREVERSIBLE, Source.DEFAULT, "rule-failed", (reason,))
        if answer.effect is Effect.REVERSIBLE and not self.undoable:
            reason = f"The rule '{name}' says reversible, but the tool registers no undo."
            return Classification(
                Effect.IRREVERSIBLE, Source.DEFAULT, "no-undo", (*answer.evidence, reason)
            )
        return answer


def _rule_name(rule: Any) -> str:
    return "undeclared" if rule is None else getattr(rule, "__name__", type(rule).__name__)


def _undo_in_version(undo: UndoTerms | None) -> bool | dict[str, Any]:
    """Another undo is another tool; the ordinary one has no terms to tell."""
    if undo is None:
        return False
    ordinary = undo.effect is Effect.REVERSIBLE and not (undo.idempotent or undo.takes_doubt)
    return True if ordinary else undo.as_json()
