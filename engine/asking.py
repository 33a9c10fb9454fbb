"""How an agent's questions are put to people, and what happens where none can be put."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..policies.verdict import Outcome, Terms, Verdict
from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AMBIGUITY = ("ask", "exit")


@dataclass(frozen=True, slots=True)
class Asking:
    """What becomes of a question of an agent.

    Attributes:
        is_asked: whether a person is asked; else the run ends as ambiguous.
        reviewers: the groups whose members may answer.
        within: how long there is to answer.
        fallback: what counts as the answer after that; without it the run ends as ambiguous.
    """

    is_asked: bool
    reviewers: tuple[str, ...]
    within: timedelta
    fallback: str | None

    @classmethod
    def of(
        cls,
        agent: str,
        *,
        on_ambiguity: str,
        asks: Iterable[str],
        answer_within: timedelta,
        on_deadline: str | Mapping[str, str],
    ) -> Asking:
        """Check what an agent says of its questions.

        Raises:
            UsageError: a word that is not known, nobody to ask, or no time to answer.
        """
        if on_ambiguity not in _AMBIGUITY:
            raise UsageError(
                f"on_ambiguity of agent '{agent}' is 'ask' or 'exit', not {on_ambiguity!r}."
            )
        reviewers = (asks,) if isinstance(asks, str) else tuple(asks)
        if not reviewers or not all(reviewers):
            raise UsageError(f"Agent '{agent}' asks nobody: name a group of reviewers in asks=….")
        if answer_within <= timedelta():
            raise UsageError(
                f"Agent '{agent}' leaves no time to answer: answer_within is too short."
            )
        return cls(on_ambiguity == "ask", reviewers, answer_within, _fallback(agent, on_deadline))

    def verdict(self, policy_digest: str) -> Verdict:
        """The answer to every question of the agent; no policy is asked, since nothing runs."""
        if not self.is_asked:
            reason = "the runs of this agent end where something is not clear."
            return Verdict(Outcome.FORBID, (), policy_digest, reason)
        terms = Terms(reviewers=self.reviewers, expires=self.within)
        then = "the run ends as ambiguous."
        if self.fallback is not None:
            then = f"the answer is taken to be “{self.fallback}”"
        reason = f"The agent asks instead of guessing. If nobody answers in time, {then}"
        return Verdict(Outcome.REVIEW, (), policy_digest, reason, terms)

    def as_json(self) -> dict[str, Any]:
        """What of it makes the agent another one when it changes."""
        return {
            "asked": self.is_asked,
            "reviewers": list(self.reviewers),
            "seconds": int(self.within.total_seconds()),
            "fallback": self.fallback,
        }


def _fallback(agent: str, on_deadline: str | Mapping[str, str]) -> str | None:
    if on_deadline == "exit":
        return None
    if isinstance(on_deadline, str) or set(on_deadline) != {"answer"}:
        raise UsageError(
            f"on_deadline of agent '{agent}' is 'exit' or {{'answer': …}}, not {on_deadline!r}."
        )
    return on_deadline["answer"]
