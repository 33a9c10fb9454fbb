"""Identical calls decided together, and a cap on what an agent puts to people."""

from interlock.engine.migrations.apply import apply

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run `sql/0015_fatigue.sql`."""
    apply("0015_fatigue")
