"""A policy text as the policies it holds, each with its line and its annotations."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cedarpy

from .errors import PolicyError
from .schema import ALL_CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|\w+|\S', re.DOTALL)
_BRACKETS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

# Cedar's parser recurses without a bound and takes the process with it: measured with an 8 MB
# stack, by 1,000 nested brackets, 5,000 nested ifs or a chain of 20,000 operators.
_MOST_BRACKETS: Final = 50
_MOST_TOKENS: Final = 4000


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy. `body` is its JSON form; `id` is its @id, or "" if it has none."""

    id: str
    line: int
    text: str
    body: Mapping[str, Any]

    @property
    def effect(self) -> str:
        return str(self.body["effect"])

    @property
    def annotations(self) -> Mapping[str, str | None]:
        annotations: Mapping[str, str | None] = self.body.get("annotations", {})
        return annotations

    @property
    def reviews(self) -> bool:
        return self.annotations.get("outcome") == "review"

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that its scope names; none where it is about all of them."""
        action = self.body["action"]
        entities = action.get("entities") or ([action["entity"]] if "entity" in action else [])
        named = tuple(str(entity["id"]) for entity in entities)
        return () if ALL_CALLS in named else named

    def is_about(self, action: str) -> bool:
        """Whether it can match a call of this action."""
        return not self.actions or action in self.actions

    @property
    def name(self) -> str:
        """How a problem names it."""
        return f"line {self.line}: policy `{self.id}`" if self.id else f"line {self.line}: policy"


def read_statements(text: str) -> tuple[Statement, ...]:
    """Every policy of `text`, in order. Raises `PolicyError` if Cedar cannot read it."""
    statements, problems = [], []
    for line, tokens, chunk in _chunks(text):
        try:
            statements.append(_statement(line, tokens, chunk))
        except _UnreadableError as problem:
            problems.append(f"line {line}: {problem}")
    if problems:
        raise PolicyError(problems)
    if not statements:
        raise PolicyError(["The policy text holds no policy, so nothing could ever run."])
    return tuple(statements)


def digest_of(statements: Iterable[Statement]) -> str:
    """SHA-256 over the policies by id, so that layout, comments and order do not count.

    Plain sorted JSON and not RFC 8785, which has no form for Cedar's 64-bit integers.
    """
    bodies = {statement.id: statement.body for statement in statements}
    canonical = json.dumps(bodies, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


class _UnreadableError(Exception):
    """A policy cannot be read; the message is the reason."""


def _statement(line: int, tokens: list[str], chunk: str) -> Statement:
    _check_size(tokens)
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(chunk))
    except ValueError as error:
        raise _UnreadableError(f"Cedar cannot read this policy: {error}.") from None
    except RecursionError:
        raise _UnreadableError("this policy is nested too deeply; write several.") from None
    if parsed["templates"]:
        raise _UnreadableError("templates (`?principal`, `?resource`) are not supported.")
    (body,) = parsed["staticPolicies"].values()
    return Statement(body.get("annotations", {}).get("id") or "", line, chunk, body)


def _check_size(tokens: list[str]) -> None:
    depth = deepest = 0
    for token in tokens:
        depth += _BRACKETS.get(token, 0)
        deepest = max(deepest, depth)
    if deepest > _MOST_BRACKETS or len(tokens) > _MOST_TOKENS:
        raise _UnreadableError(
            f"this policy has over {_MOST_TOKENS} words or {_MOST_BRACKETS} nested brackets; "
            "write several."
        )


def _chunks(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Each policy's first line, tokens and text, from its first token to its semicolon."""
    tokens: list[str] = []
    start = end = 0
    for token in _TOKEN.finditer(text):
        if token[0].startswith("//"):
            continue
        if not tokens:
            start = token.start()
        tokens.append(token[0])
        end = token.end()
        if token[0] == ";":
            yield text.count("\n", 0, start) + 1, tokens, text[start:end]
            tokens = []
    if tokens:
        yield text.count("\n", 0, start) + 1, tokens, text[start:end]
