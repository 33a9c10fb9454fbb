"""The engine's own checkpoints, and the functions of the hot path."""

from interlock.engine.migrations.apply import apply

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run `sql/0002_steps.sql`."""
    apply("0002_steps")
