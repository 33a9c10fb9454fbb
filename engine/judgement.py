"""Classify, ask the policy, decide: what a call is and what may happen with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from ..policies.comparison import compared
from ..policies.evaluator import Request
from ..policies.verdict import Outcome, Verdict
from ..tools.gated import NotExact
from ..tools.questions import is_conflict, is_question
from ..tools.vault import open_vault
from . import target
from .lifecycle import ApprovalKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..policies.evaluator import Principal, RunSoFar
    from ..tools import Classification, GatedTool
    from .agent import Agent
    from .taint import Taint

log = structlog.get_logger()

_SHORT = 60


@dataclass(frozen=True, slots=True)
class Judgement:
    """A call as it would run, its classification and the verdict on it.

    Attributes:
        args: its canonical arguments, with their defaults.
        typed: the same as the body gets them; empty where they do not fit the tool.
        is_tainted: whether any of them holds something that came from untrusted content.
        context: what else the policy was shown; None if it was not asked.
    """

    args: bytes
    typed: Mapping[str, Any]
    classification: Classification
    verdict: Verdict
    is_tainted: bool = False
    context: Mapping[str, Any] | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether it runs by itself."""
        return self.verdict.outcome is Outcome.ALLOW

    @property
    def is_for_review(self) -> bool:
        """Whether a person decides."""
        return self.verdict.outcome is Outcome.REVIEW

    @property
    def is_forbidden(self) -> bool:
        """Whether it does not run, whoever approves."""
        return self.verdict.outcome is Outcome.FORBID


def judge(
    agent: Agent,
    tool: GatedTool,
    args: bytes,
    injected: Mapping[str, Any],
    principal: Principal,
    run: RunSoFar,
    taint: Taint,
) -> Judgement:
    """Judge a call from its bytes; one whose arguments cannot be used is forbidden."""
    try:
        args, typed = tool.settled(args, injected)
    except NotExact as error:
        return _forbid(agent, tool, args, str(error))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(map(str, first["loc"])) or "arguments"
        return _forbid(agent, tool, args, f"{where}: {first['msg']}, so the call cannot run.")
    classification = tool.spec.classify(json.loads(args))  # a copy: a rule is the author's code
    tainted = taint.trace(json.loads(args))
    if tainted:
        seen = (*classification.evidence, *map(str, tainted))
        classification = replace(classification, evidence=seen)
    if is_question(tool):
        return Judgement(args, typed, classification, agent.asking.verdict(agent.policy.digest))
    request = Request(
        tool=tool.name,
        args=json.loads(args),
        classification=classification,
        now=datetime.now(UTC),
        principal=principal,
        tainted=tuple(dict.fromkeys(each.argument for each in tainted)),
        run=run,
    )
    verdict = agent.policy.decide(request)
    context = request.as_json()
    if agent.shadow is not None:
        context["shadow"] = compared(verdict, agent.shadow.decide(request))
    return Judgement(args, typed, classification, verdict, bool(tainted), context)


def _forbid(agent: Agent, tool: GatedTool, args: bytes, reason: str) -> Judgement:
    """The judgement over a call that cannot be run as it is."""
    verdict = Verdict(Outcome.FORBID, (), agent.policy.digest, reason, None, (reason,))
    return Judgement(args, {}, tool.spec.classify(json.loads(args)), verdict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reviewer sees of a call first, what it would do, and to what as it is."""

    headline: str
    preview: Mapping[str, Any] | None
    fingerprint: bytes | None = None
    kind: ApprovalKind = ApprovalKind.CALL


def show(tool: GatedTool, judgement: Judgement) -> Shown:
    """Measure what a held call would do; may take its time, so not on the event loop."""
    if judgement.verdict.outcome is not Outcome.REVIEW:
        return Shown(tool.name, None)
    # first, so that what changes while the rest is measured is noticed before the call starts
    fingerprint = target.measure(tool, public(tool, judgement.typed))
    headline = _headline(tool, json.loads(judgement.args), judgement.typed)
    return Shown(headline, _preview(tool, judgement.typed), fingerprint, _kind(tool))


def _kind(tool: GatedTool) -> ApprovalKind:
    if not is_question(tool):
        return ApprovalKind.CALL
    return ApprovalKind.CONFLICT if is_conflict(tool) else ApprovalKind.QUESTION


def public(tool: GatedTool, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments as the body gets them, those that a model can choose."""
    return {name: value for name, value in typed.items() if name in tool.argument_names}


def _headline(tool: GatedTool, plain: Mapping[str, Any], typed: Mapping[str, Any]) -> str:
    make = open_vault(tool.vault_key).headline
    if make is not None:
        try:
            return str(make(**public(tool, typed)))
        except Exception as error:  # noqa: BLE001 - the tool author's code; the call is held all the same
            log.warning("headline.failed", tool=tool.name, error=type(error).__name__)
    shown = [f"{name} {value}" for name, value in plain.items() if _is_short(value)]
    return f"Call {tool.name}" + (f" with {', '.join(shown[:2])}" if shown else "")


def _is_short(value: Any) -> bool:
    return (
        isinstance(value, (str, int, float))
        and len(str(value)) <= _SHORT
        and str(value).isprintable()
    )


def _preview(tool: GatedTool, typed: Mapping[str, Any]) -> Mapping[str, Any] | None:
    measure = open_vault(tool.vault_key).preview
    if measure is None:
        return None
    try:
        facts = json.dumps(dict(measure(**public(tool, typed))), default=str)
    except Exception as error:  # noqa: BLE001 - the tool author's code; the call is held all the same
        log.warning("preview.failed", tool=tool.name, error=type(error).__name__)
        return {"error": f"What this would do could not be measured: {type(error).__name__}."}
    shown: Mapping[str, Any] = json.loads(facts)
    return shown
