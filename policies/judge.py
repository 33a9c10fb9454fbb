"""From the answers of the two sets to one verdict, and the rule that no policy can override."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..tools.effect import Effect
from .terms import DEFAULT_TERMS, Contradiction, Rule, merge_terms
from .verdict import Outcome, Terms, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .compiled import Answer

_RUNS_UNATTENDED = frozenset({Effect.READ, Effect.REVERSIBLE})


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges calls by the rules of one policy text."""

    rules: Mapping[str, Rule]
    digest: str

    def judge(self, effect: Effect, auto: Answer, ask_review: Callable[[], Answer]) -> Verdict:
        """AUTO allows: allow; otherwise REVIEW allows: review; otherwise forbid.

        An irreversible call that AUTO allows is reviewed all the same, under the terms of the
        review policies that match it, or else under the default terms.
        """
        if auto.errors:
            return self._erred(auto)
        if auto.allowed and effect in _RUNS_UNATTENDED:
            return self._verdict(Outcome.ALLOW, auto.policies, self._because(auto.policies))
        review = ask_review()
        if review.errors:
            return self._erred(review)
        if not review.allowed:
            return self._forbidden(effect, review)
        deciding = tuple(sorted({*auto.policies, *review.policies}))
        if auto.allowed:
            return self._held(auto.policies, deciding)
        return self._reviewed(deciding, self._merge(deciding))

    def refuse(self, reason: str) -> Verdict:
        """Forbid a call that the policy could not be asked about."""
        return self._verdict(Outcome.FORBID, (), reason, errors=(reason,))

    def _held(self, permits: tuple[str, ...], deciding: tuple[str, ...]) -> Verdict:
        named = ", ".join(f"`{policy}`" for policy in permits)
        reason = (
            f"{named} would let this irreversible call run by itself, which no policy can: "
            "a person decides."
        )
        terms = self._merge(deciding) or DEFAULT_TERMS
        if isinstance(terms, Terms):
            terms = replace(terms, reasons=(*terms.reasons, reason))
        return replace(self._reviewed(deciding, terms), overruled=True)

    def _reviewed(self, deciding: tuple[str, ...], terms: Terms | Contradiction | None) -> Verdict:
        if isinstance(terms, Contradiction):
            return self._verdict(Outcome.FORBID, deciding, terms.says)
        if terms is None:
            return self.refuse("A review is asked for, but no policy names who decides.")
        reason = " ".join(terms.reasons) or self._because(deciding)
        return self._verdict(Outcome.REVIEW, deciding, reason, terms)

    def _forbidden(self, effect: Effect, review: Answer) -> Verdict:
        if review.policies:
            return self._verdict(Outcome.FORBID, review.policies, self._because(review.policies))
        reason = f"No policy permits this {effect} call, so it is forbidden."
        return self._verdict(Outcome.FORBID, (), reason)

    def _erred(self, answer: Answer) -> Verdict:
        reason = f"The policy could not be evaluated, so the call is forbidden: {answer.errors[0]}"
        return self._verdict(Outcome.FORBID, answer.policies, reason, errors=answer.errors)

    def _merge(self, deciding: Iterable[str]) -> Terms | Contradiction | None:
        return merge_terms(self.rules[policy] for policy in deciding)

    def _because(self, policies: tuple[str, ...]) -> str:
        return " ".join(
            self.rules[policy].reason or f"Decided by policy `{policy}`." for policy in policies
        )

    def _verdict(
        self,
        outcome: Outcome,
        policies: tuple[str, ...],
        reason: str,
        terms: Terms | None = None,
        errors: tuple[str, ...] = (),
    ) -> Verdict:
        return Verdict(outcome, policies, self.digest, reason, terms, errors)
