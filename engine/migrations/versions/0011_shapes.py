"""The shape of an agent."""

from interlock.engine.migrations.apply import apply

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run `sql/0011_shapes.sql`."""
    apply("0011_shapes")
