"""A morning at a car-rental company: something on every page, in every state that a page has."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from argon2 import PasswordHasher
from interlock.engine import accounts
from interlock.engine.assessments import mark_wrong
from interlock.engine.grants import GrantRequest, Scope, grant, revoke
from interlock.engine.tenant_limits import TenantLimits, limit_tenant
from seeded_rows import FIGURES, TENANT, VOLUME
from seeding import Seeded, Seeds

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database

PASSWORD = "a password for the pictures"
PEOPLE = {
    "dana": ("on-call",),
    "storage-owner": ("storage",),
    "finance-lead": ("finance",),
    "erin": ("on-call",),
}
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def seed(database: Database) -> dict[str, str]:
    """A morning at the car-rental company; the pages by name."""
    for name, groups in PEOPLE.items():
        accounts.add_reviewer(
            database,
            tenant=TENANT,
            name=name,
            password=PASSWORD,
            groups=groups,
            by="operator:docs",
            hasher=CHEAP,
        )
    seeds = Seeds(database)
    seeds.agent()
    seeds.agent("billing")
    held = _volume(seeds)
    _queue(seeds)
    question, stage, conflict = _unclear(seeds)
    asked = _grants(seeds)
    filed = _stated(seeds)
    return {
        "calibration": "/calibration",
        "run-stated": f"/runs/{filed}",
        "approval-grant": f"/approvals/{asked.approval_id}/grant",
        "grants": "/grants",
        "run-granted": f"/runs/{asked.run_id}",
        "approval-question": f"/approvals/{question.approval_id}",
        "approval-stage": f"/approvals/{stage.approval_id}",
        "approval-conflict": f"/approvals/{conflict.approval_id}",
        "sign-in": "/sign-in",
        "inbox": "/approvals",
        "approval": f"/approvals/{held.approval_id}",
        "approval-edit": f"/approvals/{held.approval_id}/edit",
        "run": f"/runs/{held.run_id}",
        "runs": "/runs",
        "cost": _costs(seeds),
        "audit": "/audit",
        "audit-entry": "/audit?entry=12",
        "history": "/approvals/history",
        **_closed(seeds),
    }


def _costs(seeds: Seeds) -> str:
    """What the runs of some days cost: most little, a few much, and a model without a price."""
    listed = "genai-prices 0.2.3"
    for at in range(12):
        replies = 60 if at == 7 else 2 + at % 3
        spent = [("claude-sonnet-4-5", "0.0217", listed)] * replies
        run = seeds.run("Say what is due back today.", spent=spent, budget=2, minutes_ago=600)
        seeds.end_run(run)
    spent = [("gpt-4o", "0.0061", listed)] * 4 + [("depot-7b", "0.0975", "unknown")]
    seeds.end_run(seeds.run("Draft the invoices.", agent="billing", spent=spent, minutes_ago=500))
    limits = TenantLimits(Decimal(5), 40)
    limit_tenant(seeds.database, tenant=TENANT, limits=limits, by="operator:docs")
    return "/cost"


def _grants(seeds: Seeds) -> Seeded:
    """A grant in use, and one that was revoked."""
    run = seeds.run("Take the volumes of the closed depots out of the test region.")
    asked = seeds.held(
        run, args={**VOLUME, "volume_id": "vol-test-1"}, headline="Delete vol-test-1"
    )

    def granted(bounds: str, uses: int, note: str) -> UUID:
        request = GrantRequest(
            tenant=TENANT,
            approval_id=asked.approval_id,
            reviewer="dana",
            digest=asked.digest,
            bounds=bounds,
            uses=uses,
            lasts=timedelta(hours=8),
            scope=Scope.AGENT,
            via="ui",
            reason=note,
        )
        return grant(seeds.database, request).id

    revoked = granted('context.input.volume_id like "*"', 100, "All of them.")
    revoke(seeds.database, tenant=TENANT, grant_id=revoked, by="erin")
    bounds = 'context.input.volume_id like "vol-test-*" &&\ncontext.input.region == "eu-west-1"'
    stands = granted(bounds, 5, "Nothing in the test region is kept, as agreed on Monday.")
    seeds.granted(run, stands, volume_id="vol-test-2", include_backups=False)
    return asked


def _stated(seeds: Seeds) -> UUID:
    """A triage that was surer than it was right, and one of its runs."""
    said = [*(["as it was"] * 41), *(["security incident"] * 3), *([""] * 12)]
    run = seeds.run("File yesterday's tickets.", agent="billing")
    for at, taken in enumerate(said):
        seeds.stated(run, "classify", 0.93 + at % 6 / 100, taken, "dana" if taken else None)
        seeds.stated(run, "check", 1.0)
        if at % 4 == 0:
            seeds.stated(run, "classify", 0.55, "bug" if at % 8 else "as it was", "erin")
    seeds.end_run(run)
    run = seeds.run(TICKET, agent="billing")
    wrong = seeds.stated(run, "classify", 0.93)
    seeds.stated(run, "check", 1.0)
    seeds.stated(run, "prioritise", 0.62, "P1", "erin")
    mark_wrong(
        seeds.database,
        tenant=TENANT,
        run_id=run,
        assessment_id=wrong,
        by="dana",
        reason="It reports a break-in.",
    )
    seeds.end_run(run)
    return run


def _volume(seeds: Seeds) -> Seeded:
    run = seeds.run("Clear out whatever storage we still pay for from the Harbour depot pilot. "
                    "Keep anything with customer data.",
                    spent=[("claude-sonnet-4-5", "0.0183", "genai-prices 0.2.3")] * 5)  # fmt: skip
    for region in ("eu-west-1", "eu-north-1", "us-east-1"):
        seeds.read(run, region=region)
    seeds.read(run, tool="move_booking", booking_id="RB-20992", vehicle=4380, minutes_ago=19)
    held = seeds.held(
        run,
        args={
            **VOLUME,
            "owner_tag": "fleet-\u0430rchive",
            "reason": "Cleanup of storage left over from the Harbour depot pilot. The volume has "
            "had no writes since 3 October and is not attached to any running service. Its 14 "
            "backups are stored in the same region and share the same key. Removing both ends the "
            "monthly charge of $41.60.",
        },
        preview=FIGURES,
        reviewers=("on-call", "storage"),
        quorum=2,
    )
    seeds.decide(held, "storage-owner", "approve")
    return held


def _queue(seeds: Seeds) -> None:
    seeds.held(
        seeds.run("Refund what the waiver charged twice.", agent="billing"),
        tool="refund_booking",
        args={"booking_id": "RB-20311", "amount_cents": 16400, "lines": []},
        headline="Refund \u20ac164.00 to booking RB-20311",
        preview={"Charged twice": "\u20ac164.00", "Paid back so far": "\u20ac0.00"},
        expires_in=timedelta(hours=6, minutes=40),
        minutes_ago=9,
    )
    seeds.held(
        seeds.run("Move the flooded depot's bookings."),
        tool="move_booking",
        args={"booking_id": "RB-21007", "vehicle": 4417},
        headline="Move booking RB-21007 to vehicle 4417",
        preview={"Class": "same", "Branch": "same"},
        expires_in=timedelta(minutes=11),
        minutes_ago=4,
    )
    seeds.held(
        seeds.run("Tidy the booking table."),
        tool="move_booking",
        args={"booking_id": "RB-20980", "vehicle": 4051},
        headline="Move booking RB-20980 to vehicle 4051",
        expires_in=None,
        minutes_ago=2,
    )


REASON = "The agent asks instead of guessing. If nobody answers in time, the run ends as ambiguous."
QUESTION = {
    "question": "Which of the two bookings of Ms Okafor on 12 May is to be moved?",
    "options": ["RB-20418, Harbour to Airport", "RB-20431, Airport to Harbour"],
    "confidence": 0.45,
}
TICKET = (
    "Could you add a page that shows who is signed in? Since Tuesday we see logins from abroad "
    "that none of us made."
)
STAGE = {
    "question": "check refused what it got: The ticket speaks of “login”, which is no feature "
    "request. What should it get?",
    "options": ["security incident", "bug", "feature request"],
    "confidence": None,
    "given": TICKET,
    "trail": [
        {"stage": "classify", "value": "feature request", "confidence": 0.93, "refused": None,
         "evidence": ["reads as a feature request"], "answered_by": None},
        {"stage": "check", "value": None, "confidence": None, "evidence": [], "answered_by": None,
         "refused": "The ticket speaks of “login”, which is no feature request."},
    ],
}  # fmt: skip
CONFLICT = {
    "question": "Refund or hold the claim of booking RB-20311?",
    "because": "By the rule “majority, with a veto” there is no answer. fraud can veto, and did "
    "not agree.",
    "opinions": [
        {"by": "fraud", "value": "hold", "confidence": 0.55, "refused": None,
         "evidence": ["third claim this month", "card and name differ"]},
        {"by": "history", "value": "refund", "confidence": 0.81, "refused": None,
         "evidence": ["a customer for nine years"]},
        {"by": "policy", "value": "refund", "confidence": 0.98, "refused": None,
         "evidence": ["the waiver covers it"]},
    ],
}  # fmt: skip


def unclear(seeds: Seeds, kind: str, tool: str, args: dict[str, Any], asked: str) -> Seeded:
    """A question of a run that was asked for so."""
    return seeds.held(
        seeds.run(asked), kind=kind, tool=tool, args=args, headline=args["question"],
        reason=REASON, expires_in=timedelta(hours=23, minutes=50), minutes_ago=10,
    )  # fmt: skip


def _unclear(seeds: Seeds) -> tuple[Seeded, Seeded, Seeded]:
    """What agents were not sure of."""
    return (
        unclear(seeds, "question", "ask_human", QUESTION, "Move Ms Okafor's booking to 4417."),
        unclear(seeds, "question", "ask_about_stage", STAGE, TICKET),
        unclear(seeds, "conflict", "ask_about_conflict", CONFLICT, "Decide claim RB-20311."),
    )


def _closed(seeds: Seeds) -> dict[str, str]:
    rejected = seeds.held(preview=FIGURES)
    seeds.decide(rejected, "erin", "reject", reason="Not what was asked. It holds customer data.")
    seeds.close(
        rejected, "rejected", by="erin", reason="Not what was asked. It holds customer data."
    )
    expired = seeds.held(preview=FIGURES, expires_in=timedelta(minutes=-3), minutes_ago=63)
    seeds.close(expired, "expired")
    done = seeds.held(preview=FIGURES)
    seeds.decide(done, "dana", "approve")
    seeds.close(done, "approved", by="dana")
    seeds.start(done)
    seeds.finish(done)
    seeds.end_run(done.run_id)
    broken = seeds.held(headline="Delete volume vol-stage-2 and its backups")
    seeds.decide(broken, "dana", "approve")
    seeds.close(broken, "approved", by="dana")
    seeds.start(broken)
    doubt = seeds.in_doubt(broken)
    edited = seeds.held(preview=FIGURES)
    smaller = {**VOLUME, "include_backups": False}
    seeds.decide(edited, "dana", "edit", args=smaller)
    seeds.close(edited, "superseded", by="dana")
    again = seeds.held(
        edited.run_id, args=smaller, headline="Delete volume vol-prod-7 and keep its 14 backups",
        preview=FIGURES, minutes_ago=1, revises=edited,
    )  # fmt: skip
    lapsed, anew = _lapsed(seeds)
    changed = seeds.version(seeds.run("Tidy the booking table."))
    stopped = seeds.stopped(seeds.run("Close every ticket that is older than a year."))
    return {
        "approval-limit": f"/approvals/{stopped.approval_id}",
        "approval-terms": f"/approvals/{_terms(seeds).approval_id}",
        "approval-separated": f"/approvals/{_separated(seeds).approval_id}",
        "approval-version": f"/approvals/{changed.approval_id}",
        "approval-rejected": f"/approvals/{rejected.approval_id}",
        "approval-expired": f"/approvals/{expired.approval_id}",
        "approval-approved": f"/approvals/{done.approval_id}",
        "approval-in-doubt": f"/approvals/{doubt.approval_id}",
        "approval-replaced": f"/approvals/{edited.approval_id}",
        "approval-edited": f"/approvals/{again.approval_id}",
        "approval-lapsed": f"/approvals/{lapsed.approval_id}",
        "approval-again": f"/approvals/{anew.approval_id}",
        "run-ended": f"/runs/{done.run_id}",
    }


def _terms(seeds: Seeds) -> Seeded:
    """One of each group, of which one has approved; later others are asked as well."""
    held = seeds.held(
        seeds.run("Close the Harbour depot's storage account.", requested_by="reviewer:erin"),
        preview=FIGURES,
        reviewers=("on-call", "storage"),
        quorum=3,
        terms={
            "each": '{"on-call": 1, "storage": 1}',
            "escalation": '{"on-call-lead": 600, "directors": 7200}',
            "separation": ["requester"],
            "needs_reason": True,
            "confirm": "vol-prod-7",
        },
    )
    why = "Copied to the archive yesterday."
    seeds.decide(held, "storage-owner", "approve", reason=why, confirmed="vol-prod-7")
    return held


def _separated(seeds: Seeds) -> Seeded:
    """What Dana asked for herself, so that somebody else has to approve it."""
    return seeds.held(
        seeds.run("Delete my test volume.", requested_by="reviewer:dana"),
        preview=FIGURES,
        terms={"separation": ["requester"]},
    )


CHANGES = [
    {
        "what": "target",
        "says": "Its target is not as it was when it was proposed.",
        "before": {"etag": "9f86d081", "attached_to": None, "customer_records": 1206},
        "now": {"etag": "60303ae2", "attached_to": "billing-api", "customer_records": 1418},
    },
    {
        "what": "policy",
        "says": "The policy asks for more than it was approved under.",
        "before": "1 approval by on-call",
        "now": "2 approvals by on-call or storage",
    },
    {
        "what": "window",
        "says": "It was approved too long ago to run on that.",
        "before": "Good for 24 h",
        "now": "31 h 4 min old",
    },
]


def _lapsed(seeds: Seeds) -> tuple[Seeded, Seeded]:
    """An approval that does not stand any more, and the one that asks again."""
    first = seeds.held(preview=FIGURES)
    seeds.decide(first, "dana", "approve")
    seeds.close(first, "approved", by="dana")
    seeds.lapse(first, " ".join(str(change["says"]) for change in CHANGES))
    again = seeds.held(
        first.run_id, preview={**FIGURES, "Customer records": 1418}, minutes_ago=1, revises=first,
        reviewers=("on-call", "storage"), quorum=2, changes=CHANGES,
    )  # fmt: skip
    return first, again
