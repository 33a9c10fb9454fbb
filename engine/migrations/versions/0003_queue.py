"""A run ends in one statement."""

from interlock.engine.migrations.apply import apply

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run `sql/0003_queue.sql`."""
    apply("0003_queue")
