"""Runs, calls, approvals, decisions, reviewers and the audit log."""

from interlock.engine.migrations.apply import apply

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run `sql/0001_start.sql`."""
    apply("0001_start")
