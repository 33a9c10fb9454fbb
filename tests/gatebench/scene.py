"""What an attack sets up: tools behind the gate, harmless code beside them, a scripted model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Call:
    """One tool call of the scripted model; `raw` is its arguments as the provider's JSON text."""

    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)
    id: str = "call-1"
    raw: str | None = None


@dataclass(frozen=True)
class Gated:
    """A function that only a person's approval may run.

    Attributes:
        body: typed arguments and a docstring, as an agent's author writes it.
        schema: a pydantic model of its arguments, where the body's own types do not say it.
        version: what the author raises when the body comes to do something else.
        must_ask: whether a person must look at a call with these arguments; always, without it.
        preview: what a reviewer is shown beside the arguments; the author's code.
    """

    body: Callable[..., str]
    schema: Any = None
    version: str = "1"
    must_ask: Callable[[Mapping[str, Any]], Any] | None = None
    preview: Callable[[dict[str, Any]], Any] | None = None

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.body.__name__


class Reach(Protocol):
    """What the agent's own code can lay its hands on."""

    def tool(self, name: str) -> Any:
        """The gated tool, as the graph has it."""

    def subagent(self, *turns: Sequence[Call], thread: str | None = None) -> Any:
        """Run an agent with the same tools, in a thread of its own where one is named."""


@dataclass(frozen=True)
class Helper:
    """Code of the agent's author that nobody has to approve, as a tool."""

    name: str
    code: Callable[[Reach], Any]


@dataclass(frozen=True)
class Scene:
    """An agent.

    Attributes:
        turns: the calls that the model makes, turn by turn.
        retried: failed tools are tried again, by what the framework has for that.
        after: what the agent's author does once tools were answered: `again` routes to the tools
            once more, `trim` drops the answers of tools from the history to save tokens.
        expires: seconds after which nobody can approve any more.
        forbidden: the most that an argument may be, whoever approves; by the system's own rules.
    """

    tools: Sequence[Gated]
    turns: Sequence[Sequence[Call]]
    helpers: Sequence[Helper] = ()
    retried: bool = False
    after: Literal["again", "trim"] | None = None
    expires: float | None = None
    forbidden: Mapping[str, int] | None = None
