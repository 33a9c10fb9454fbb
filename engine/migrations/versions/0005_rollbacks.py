"""Rollbacks, their undos, and the states that calls found their targets in."""

from interlock.engine.migrations.apply import apply

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run `sql/0005_rollbacks.sql`."""
    apply("0005_rollbacks")
