"""What model calls may cost, reserved before they are made."""

from interlock.engine.migrations.apply import apply

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run `sql/0014_cost.sql`."""
    apply("0014_cost")
