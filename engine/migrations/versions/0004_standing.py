"""Approvals that stand only while the world does, and the times that doubt is settled by."""

from interlock.engine.migrations.apply import apply

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run `sql/0004_standing.sql`."""
    apply("0004_standing")
