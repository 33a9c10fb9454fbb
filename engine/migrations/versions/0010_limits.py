"""More limits of a run, and raising one."""

from interlock.engine.migrations.apply import apply

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Run `sql/0010_limits.sql`."""
    apply("0010_limits")
